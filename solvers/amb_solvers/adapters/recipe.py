"""How an adapter makes a solver class, and how solvers of such a class are pickled."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from amb.contracts.content import Content
from amb.contracts.solver import Rows, Solver
from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SpecError


@dataclass(frozen=True)
class Recipe:
    """The call of an adapter that made a solver class, so that another process can make the class, too.

    Attributes:
        adapter: the function that was called.
        arguments, options: what it was called with.
    """

    adapter: Callable[..., type[Solver]]
    arguments: tuple[object, ...]
    options: dict[str, object] = field(default_factory=dict)

    def make(self) -> type[Solver]:
        """The class once more."""
        return self.adapter(*self.arguments, **self.options)


class Adapted(Solver):
    """A solver of a class that an adapter made; it is pickled with the recipe of its class.

    Attributes:
        recipe: how its class was made.
    """

    recipe: ClassVar[Recipe]

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.recipe, self.__dict__)


def finished(cls: type[Solver], recipe: Recipe, *, name: str, version: str | None, source: str) -> type[Solver]:
    """A class that an adapter has defined, with its name, version and recipe.

    The class belongs to the module that called the adapter, as a named tuple does: `amb check FILE` and `--plugin FILE`
    find it there. Its version is a hash of the recipe, so that a changed function or option makes new runs.

    Args:
        cls: the class.
        recipe: how it was made.
        name: its name in tables and specs, if it is assigned to a variable of that name.
        version: by default the hash.
        source: where the method comes from.

    Raises:
        SpecError: a name that is not a Python identifier, or arguments of which it cannot be told whether they changed.
    """
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        raise SpecError(f"the name of an adapted solver must be a Python identifier, such as MyDE, got {name!r}")
    cls.__name__ = cls.__qualname__ = name
    cls.__module__ = _caller()
    cls.recipe = recipe  # type: ignore[attr-defined]
    told = {key: value for key, value in recipe.options.items() if key not in ("name", "version")}
    if version is None:
        cls.made_of = Content(lambda: (recipe.adapter.__name__, recipe.arguments, told))
        version = cls.made_of.fingerprint
    cls.version = version
    cls.source = source
    return cls


def name_of(what: object, fallback: str) -> str:
    """A class name from a function, class or object: `dual_annealing` gives `DualAnnealing`."""
    inner = getattr(what, "func", what)  # of a functools.partial
    name = str(getattr(inner, "__name__", None) or fallback)
    if name == "<lambda>" or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        name = fallback
    return "".join(part[:1].upper() + part[1:] for part in name.split("_") if part) or fallback


def _caller() -> str:
    """Name of the module outside this package that called the adapter."""
    frame = sys._getframe(1)
    package = __name__.rpartition(".")[0]
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith(package):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "__main__"))


def _restored(recipe: Recipe, state: dict[str, Any]) -> Solver:
    cls = recipe.make()
    solver = cls.__new__(cls)
    solver.__dict__.update(state)
    return solver


class Replayed(Adapted):
    """A solver whose method cannot be pickled: its copy is a fresh one that has received the same values."""

    def __init__(self, space: Space, *, budget: int, seed: int) -> None:
        super().__init__(space, budget=budget, seed=seed)
        self._received: list[tuple[IntArray | None, FloatArray]] = []  # foreign candidates, or None; values

    def _tell(self, candidates: Rows, values: FloatArray) -> None:
        self._received.append((None, values))
        super()._tell(candidates, values)

    def learn(self, candidates: ArrayLike, values: ArrayLike) -> None:
        """See `Solver.learn`."""
        super().learn(candidates, values)
        self._received.append((self.space.check(candidates), np.array(values, dtype=np.float64)))

    def __reduce__(self) -> tuple[Any, ...]:
        waiting = 0 if self._pending is None else len(self._pending)
        return _replayed, (self.recipe, self.space, self.budget, self.seed, self._received, waiting)


def _replayed(
    recipe: Recipe,
    space: Space,
    budget: int,
    seed: int,
    received: list[tuple[IntArray | None, FloatArray]],
    waiting: int,
) -> Solver:
    solver = recipe.make()(space, budget=budget, seed=seed)
    for foreign, values in received:
        if foreign is None:
            solver.tell(solver.ask(len(values)), values)
        else:
            solver.learn(foreign, values)
    if waiting:
        solver.ask(waiting)
    return solver
