"""`amb.compare` and `amb.open`."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from amb.api.result import Result
from amb.comparison.compare import compare as run_comparison
from amb.comparison.compare import reopen
from amb.comparison.result import Comparison

P = ParamSpec("P")


def _showing_itself(function: Callable[P, Comparison]) -> Callable[P, Result]:
    """The function, with its signature and its docs, for results that show themselves."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Result:
        return Result.of(function(*args, **kwargs))

    call.__annotations__["return"] = Result
    return call


compare = _showing_itself(run_comparison)
open = _showing_itself(reopen)
