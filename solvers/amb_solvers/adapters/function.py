"""Functions that search by calling an objective, as solvers."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

import numpy as np

from amb.contracts.batches import BatchSolver
from amb.contracts.solver import Rows, Solver
from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SolverError
from amb_solvers.adapters.box import Box
from amb_solvers.adapters.inside_out import Conversation, Objective
from amb_solvers.adapters.offer import OFFERED, Offer, wanted
from amb_solvers.adapters.recipe import Recipe, Replayed, finished, name_of
from amb_solvers.shared.losses import WorstSoFar
from amb_solvers.shared.private_random import PrivateRandom


def from_function(
    function: Callable[..., object],
    *,
    name: str | None = None,
    maximize: bool = False,
    levels: bool = False,
    noisy: bool = False,
    source: str = "",
    version: str | None = None,
    **options: object,
) -> type[Solver]:
    """A solver from a function that minimizes (or maximizes) an objective.

    The function's first argument is the objective, which takes a point, float64[k], and returns a number, or takes
    several, float64[n, k], and returns float64[n]. The function is also given, by name, those of these arguments that
    it has: `x0`, a point drawn from the prior, float64[k]; `bounds`, k pairs (low, high); `lower` and `upper`,
    float64[k]; `budget`, the evaluations that are left; `seed`, an integer below 2^32; `rng`, a
    `numpy.random.Generator`.

    It runs in a thread, one evaluation at a time, on private global random states. If it returns before the budget is
    spent, it is called again with another seed; when the budget is spent, its next evaluation raises `Stopped`. An
    exception of its own ends the run. A function that never stops computing and never evaluates is ended by
    `--isolate --timeout` only.

    Args:
        function: what searches; what it returns matters only if `noisy`.
        name: its name in tables; by default the function's, in camel case.
        maximize: whether it maximizes.
        levels: whether points are level numbers, from 0, rounded for it, instead of latents. Such a function also
            searches categorical spaces, whose codes have no order.
        noisy: whether to recommend the point that the function returned last (itself, the attribute `x` of an object,
            or the first entry of a tuple) instead of the best measured one.
        source: where the method comes from, as a citation.
        version: by default a hash of the function's code and of the options.
        options: more arguments for the function, by name.

    Raises:
        SpecError: the function needs an argument that nobody offers, or takes no such option.
    """
    takes = wanted(function, OFFERED, first=1, **options)
    recipe = Recipe(
        from_function,
        (function,),
        {"name": name, "maximize": maximize, "levels": levels, "noisy": noisy, "source": source, "version": version}
        | options,
    )

    class Adapter(FunctionSolver):
        __doc__ = f"{name_of(function, 'Function')}, a function that searches, turned inside out."
        anytime = "budget" not in takes

    Adapter.call = staticmethod(lambda objective, offer: function(objective, **offer.only(takes), **options))
    Adapter.maximize, Adapter.levels, Adapter.noisy = maximize, levels, noisy
    Adapter.continuous = not levels
    Adapter.kinds = frozenset({"ordinal", "categorical"}) if levels else frozenset({"ordinal"})
    default = name_of(function, "Function")
    return finished(
        Adapter,
        recipe,
        name=name or default,
        version=version,
        source=source or f"the function {default}, by its author",
    )


class FunctionSolver(Replayed, BatchSolver):
    """Base class of solvers that turn a function inside out.

    Attributes:
        call: calls the function with an objective and what is offered. It runs in another thread.
        maximize, levels: see `from_function`.
    """

    failed_queries = "counts as the worst value so far"
    call: ClassVar[Callable[[Objective, Offer], object]]
    maximize: ClassVar[bool] = False
    levels: ClassVar[bool] = False

    def __init__(self, space: Space, *, budget: int, seed: int) -> None:
        super().__init__(space, budget=budget, seed=seed)
        self._box = Box(space, levels=self.levels)
        self._private = PrivateRandom(self.seed, torch=True)
        self._losses = WorstSoFar()
        self._conversation: Conversation | None = None
        self._answer: FloatArray | None = None
        self._passes = self._evaluated = 0
        self._result: object = None

    def recommend(self) -> IntArray:
        """The point that the function returned last, if the method is `noisy`; otherwise the best measured one."""
        best = super().recommend()
        if not self.noisy or self._result is None:
            return best
        returned = getattr(self._result, "x", self._result)
        point = np.asarray(returned[0] if isinstance(returned, tuple) else returned)
        row = self._box.rows(point[None])
        return (self.space.nearest(row) if self.continuous else self.space.check(row))[0]

    def _generate(self) -> Rows:
        if not len(self._box.free):
            return self._box.rows(np.empty((1, 0)))
        with self._fence():
            while (points := self._next()) is None:
                if not self._evaluated:
                    raise SolverError(
                        f"{type(self).__name__} returned without evaluating anything: {self._result!r:.200}"
                    )
        self._evaluated += len(points)
        return self._box.rows(points)

    def _next(self) -> FloatArray | None:
        """The next points of the function, which is called again if it has returned; None if it returns now."""
        if self._conversation is None:
            offer = Offer(self._box, self.seed, self._passes, self.remaining)
            call = type(self).call  # the thread must not keep this solver alive
            self._conversation = Conversation(lambda objective: call(objective, offer))
            self._passes, self._evaluated, self._answer = self._passes + 1, 0, None
        if self._answer is not None:
            self._conversation.tell(self._answer)
            self._answer = None
        points = self._conversation.ask()
        if points is None:
            self._result, self._conversation = self._conversation.result, None
        return points

    def _learn(self, values: FloatArray) -> None:
        losses = np.array([self._losses.loss(value) for value in values])
        self._answer = -losses if self.maximize else losses

    def _tell(self, candidates: Rows, values: FloatArray) -> None:
        super()._tell(candidates, values)
        if self.remaining == 0 and self._conversation is not None:
            with self._fence():
                if self._answer is not None:
                    self._next()  # it may return its result now
                if self._conversation is not None:
                    self._conversation.close()

    @contextmanager
    def _fence(self) -> Iterator[None]:
        """Private random states, no warnings."""
        with self._private.use(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
