"""A problem as a problem of ioh (IOHexperimenter)."""

from importlib import import_module
from itertools import count
from typing import Any

import numpy as np

from amb.contracts.problem import Problem
from amb.errors import SpecError
from amb_problems.adapters.function import as_callable

_number = count(1)


def as_ioh(problem: Problem | str, *, name: str | None = None) -> Any:
    """A problem of ioh (the extra `ioh`), to be maximized, to which ioh's loggers can be attached.

    Points are latents as in `as_callable`; on a categorical space, level numbers, to be rounded. A failed query counts
    as the lowest value so far, 0 included, since ioh's loggers take numbers only.

    Args:
        problem: the problem, or its id.
        name: its name in logs; by default the id, with a number, since ioh knows a name only once in a process.

    Returns:
        ``ioh.problem.RealSingleObjectiveProblem``.

    Raises:
        SpecError: ioh is not installed, or no such problem.
    """
    try:
        ioh: Any = import_module("ioh")
    except ModuleNotFoundError as missing:
        raise SpecError("as_ioh needs the package ioh, which is not installed: pip install 'amb[ioh]'") from missing
    function = as_callable(problem)
    lower, upper = float(function.lower[0]), float(function.upper.max())

    def value(point: Any) -> float:
        observed = float(function(np.asarray(point)))
        return min(0.0, *function.values[~np.isnan(function.values)], 0.0) if np.isnan(observed) else observed

    called = name or f"{function.problem.id.replace('/', '-')}-{next(_number)}"
    ioh.problem.wrap_real_problem(value, called, ioh.OptimizationType.MAX, lower, upper)
    return ioh.get_problem(called, 0, function.problem.space.d, ioh.ProblemClass.REAL)
