"""What an adapter offers to a function of yours, which takes the arguments that it names."""

import inspect
from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np

from amb.errors import SpecError
from amb_solvers.adapters.box import Box

OFFERED = ("x0", "bounds", "lower", "upper", "budget", "seed", "rng")


def wanted(function: Callable[..., Any], offered: Collection[str], *, first: int, **options: object) -> set[str]:
    """Which of the offered arguments a function takes; options of the user's own come first.

    Args:
        function: its first arguments are passed by position, the others by name.
        offered: names of what can be offered.
        first: how many arguments are passed by position.
        options: passed by name, whether offered or not.

    Raises:
        SpecError: the function needs an argument that is neither offered nor an option, or takes no such option.
    """
    name = getattr(function, "__name__", type(function).__name__)
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a function of C
        return set()
    kinds = inspect.Parameter
    rest = [p for p in parameters[first:] if p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)]
    if len(parameters) < first and not any(p.kind is kinds.VAR_POSITIONAL for p in parameters):
        raise SpecError(f"{name} must take at least {first} argument{'s' if first > 1 else ''}, it takes none")
    known = {p.name for p in rest}
    unknown = [option for option in options if option not in known]
    if unknown and not any(p.kind is kinds.VAR_KEYWORD for p in parameters):
        takes = ", ".join(sorted(known)) or "no others"
        raise SpecError(f"{name} takes no argument {unknown[0]!r}; it takes {takes}")
    lacking = [p.name for p in rest if p.default is kinds.empty and p.name not in options and p.name not in offered]
    if lacking:
        raise SpecError(
            f"{name} needs {', '.join(lacking)}, which the adapter does not offer: give a value as an option, or a "
            f"function that takes some of {', '.join(offered)}"
        )
    return (known & set(offered)) - options.keys()


class Offer:
    """What is offered to one call of a function: a start, the box, the budget and random numbers.

    Args:
        box: what is searched.
        seed: the solver's.
        number: which call of the run it is, from 0; each has other random numbers.
        budget: evaluations that are left.
    """

    def __init__(self, box: Box, seed: int, number: int, budget: int) -> None:
        start, self._rng, integer = np.random.SeedSequence(seed, spawn_key=(number,)).spawn(3)
        self._values: dict[str, object] = {
            "x0": box.sample(np.random.default_rng(start)),
            "bounds": box.bounds,
            "lower": box.lower.copy(),
            "upper": box.upper.copy(),
            "budget": budget,
            "seed": int(integer.generate_state(1)[0]),
        }

    def only(self, names: Iterable[str]) -> dict[str, Any]:
        """The offered values of some names."""
        values = {**self._values, "rng": np.random.default_rng(self._rng)}
        return {name: values[name] for name in sorted(names)}
