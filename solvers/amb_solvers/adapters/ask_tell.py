"""Objects with `ask` and `tell` as solvers."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from amb.contracts.batches import BatchSolver
from amb.contracts.solver import Rows, Solver
from amb.contracts.space import FloatArray, Space
from amb.errors import SolverError
from amb_solvers.adapters.box import Box
from amb_solvers.adapters.offer import OFFERED, Offer, wanted
from amb_solvers.adapters.recipe import Recipe, Replayed, finished, name_of
from amb_solvers.shared.losses import WorstSoFar
from amb_solvers.shared.private_random import PrivateRandom


def from_ask_tell(
    make: Callable[..., Any],
    *,
    name: str | None = None,
    maximize: bool = False,
    levels: bool = False,
    source: str = "",
    version: str | None = None,
    **options: object,
) -> type[Solver]:
    """A solver from objects with ``ask()`` and ``tell(points, losses)``, as pycma's, with its conventions.

    ``ask()`` returns points, a list or an array of shape [n, k]; ``tell`` takes them and as many numbers, to be
    minimized. If the object has a method ``stop`` that returns something true, a fresh object takes over.

    Args:
        make: returns a fresh object. It is given, by name, those of these arguments that it has: `x0`, a point drawn
            from the prior, `bounds`, `lower`, `upper`, `budget`, `seed` and `rng`, as in `from_function`.
        name: its name in tables; by default that of `make`, in camel case.
        maximize: whether the object maximizes.
        levels: whether points are level numbers, as in `from_function`.
        source: where the method comes from, as a citation.
        version: by default a hash of the code of `make` and of the options.
        options: more arguments for `make`, by name.

    Raises:
        SpecError: `make` needs an argument that nobody offers, or takes no such option.
    """
    takes = wanted(make, OFFERED, first=0, **options)
    recipe = Recipe(
        from_ask_tell,
        (make,),
        {"name": name, "maximize": maximize, "levels": levels, "source": source, "version": version} | options,
    )
    default = name_of(make, "AskTell")

    class Adapter(AskTellSolver):
        __doc__ = f"{default}, an object with ask and tell."
        anytime = "budget" not in takes

        def make(self, offer: Offer) -> Any:
            return make(**offer.only(takes), **options)

    Adapter.maximize, Adapter.levels, Adapter.continuous = maximize, levels, not levels
    Adapter.kinds = frozenset({"ordinal", "categorical"}) if levels else frozenset({"ordinal"})
    return finished(
        Adapter, recipe, name=name or default, version=version, source=source or f"{default}, by its author"
    )


class AskTellSolver(Replayed, BatchSolver):
    """Base class of solvers that hold an object with `ask` and `tell`; `make` makes it."""

    failed_queries = "counts as the worst value so far"
    maximize: ClassVar[bool] = False
    levels: ClassVar[bool] = False
    fewest: ClassVar[int] = 1
    """Dimensions that the method needs."""

    def __init__(self, space: Space, *, budget: int, seed: int) -> None:
        super().__init__(space, budget=budget, seed=seed)
        self._box = Box(space, levels=self.levels)
        if 0 < len(self._box.free) < self.fewest:
            raise SolverError(
                f"{type(self).__name__} needs at least {self.fewest} dimensions with a choice, and this space has "
                f"{len(self._box.free)}"
            )
        self._private = PrivateRandom(self.seed, torch=True)
        self._losses = WorstSoFar()
        self._object: Any = None
        self._points: Any = None
        self._made = 0

    def make(self, offer: Offer) -> Any:
        """A fresh object."""
        raise NotImplementedError

    def ask_object(self) -> Any:
        """The object's next points, float[n, k]."""
        return self._object.ask()

    def tell_object(self, points: Any, losses: FloatArray) -> None:
        """Give the object the losses of the points that it asked for, float64[n]."""
        self._object.tell(points, losses.tolist())

    def _generate(self) -> Rows:
        if not len(self._box.free):
            return self._box.rows(np.empty((1, 0)))
        with self._fence():
            stop = getattr(self._object, "stop", None)
            if self._object is None or (callable(stop) and stop()):
                self._object = self.make(Offer(self._box, self.seed, self._made, self.remaining))
                self._made += 1
            self._points = self.ask_object()
        return self._box.rows(self._points)

    def _learn(self, values: FloatArray) -> None:
        if not len(self._box.free):
            return
        losses = np.array([self._losses.loss(value) for value in values])
        with self._fence():
            self.tell_object(self._points, -losses if self.maximize else losses)

    @contextmanager
    def _fence(self) -> Iterator[None]:
        """Private random states, no warnings."""
        with self._private.use(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
