"""A solver under test: making it, running it, and remembering runs that several cases look at."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TypeVar

import numpy as np

from amb.catalogue.solvers import resolve, spec_of
from amb.contracts.solver import Solver
from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SolverError
from amb.testing.grid import PLAIN, Objective, Slope, near
from amb.testing.states import GlobalStates

# A prime, so that few batch sizes divide it.
BUDGET = 53
BATCHES = 2.5

Log = list[tuple[IntArray, FloatArray]]
Result = TypeVar("Result")


class Violation(AssertionError):
    """A rule that the solver breaks."""


class NotApplicable(Exception):
    """A case that says nothing about this solver, with the reason."""


class Subject:
    """A solver as the cases see it.

    Args:
        solver: a name, a spec, ``module:Class``, or a class.
    """

    def __init__(self, solver: str | type[Solver]) -> None:
        self.settings = GlobalStates.settings()  # as they were before its module was imported
        self.spec = resolve(solver) if isinstance(solver, str) else spec_of(solver)
        self.cls = self.spec.cls
        self._runs: dict[tuple[int, int, int], Log] = {}
        self._broken = ""

    @cached_property
    def home(self) -> Space:
        """The plain space on which the rules are tried: ordinal where the solver takes it."""
        for kind in ("ordinal", "categorical"):
            if kind in self.kinds:
                return PLAIN[kind]
        raise NotApplicable("it claims no kind of space")

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of space that it claims with its options."""
        for kind in sorted(self.cls.kinds, reverse=True):
            with suppress(NotApplicable):
                return self.make(PLAIN[kind], budget=1).kinds
        return self.cls.kinds

    @cached_property
    def budget(self) -> int:
        """Queries of a run: enough for the method to learn from two batches and cut the third."""
        first = self._first_of_all(lambda: self.make(self.home, budget=10_000).ask())
        return max(BUDGET, int(BATCHES * len(first)))

    def make(
        self, space: Space | None = None, *, budget: int | None = None, seed: int = 3, steepness: float = 1.0
    ) -> Solver:
        """A fresh one; `NotApplicable` where its method honestly refuses a space.

        Its home space it may not refuse: nothing would be left to try.

        A white-box one has been given a problem on the space, whose gradients are so many times their true length.
        """
        if self._broken:
            raise NotApplicable(self._broken)
        problem = Slope(space or self.home, steepness)
        try:
            return self.spec.start(problem, budget=budget or self.budget, seed=seed)
        except SolverError as refusal:
            if budget != 1 and problem.space is self.home:
                raise Violation(f"refuses the plain space that `kinds` claims: {refusal}") from refusal
            raise NotApplicable(f"refuses: {refusal}") from refusal

    def begin(self) -> Log:
        """The first half of a plain run, far from the end of its budget."""
        return self._first_of_all(lambda: drive(self.make(budget=10 * self.budget), stop=self.budget // 2))

    def run(self, space: Space | None = None, *, budget: int | None = None, seed: int = 3) -> Log:
        """What a fresh one asks and is told on the smooth peak; remembered."""
        space, budget = space or self.home, budget or self.budget
        key = (id(space), budget, seed)
        if key not in self._runs:
            self._runs[key] = self._first_of_all(lambda: self._whole(space, budget, seed))
        return self._runs[key]

    def _whole(self, space: Space, budget: int, seed: int) -> Log:
        log = drive(self.make(space, budget=budget, seed=seed))
        if (asked := sum(len(candidates) for candidates, _ in log)) != budget:
            raise Violation(f"asked {asked} queries of a budget of {budget}")
        return log

    def _first_of_all(self, call: Callable[[], Result]) -> Result:
        """What the call returns; if even the plain run raises, that is said once, and no case is tried after it."""
        try:
            return call()
        except NotApplicable:
            raise
        except Exception:
            self._broken = "not tried: it breaks on the plain run already"
            raise


def drive(solver: Solver, objective: Objective = near, limits: Sequence[int | None] = (None,), stop: int = 0) -> Log:
    """Run a solver until its budget, or `stop` queries, are spent.

    Args:
        limits: of the asks, in turn.

    Returns:
        What was asked and told, batch by batch; one batch past the budget is the end, whatever the solver says.
    """
    log: Log = []
    spent = 0
    while solver.remaining > 0 and spent <= solver.budget and (not stop or spent < stop):
        candidates = solver.ask(limits[len(log) % len(limits)])
        spent += len(candidates)
        values = objective(candidates)
        solver.tell(candidates, values)
        log.append((candidates, values))
    return log


def rows(log: Log) -> IntArray:
    """All candidates of a run, int64[queries, d]."""
    return np.concatenate([candidates for candidates, _ in log])


def first_difference(a: IntArray, b: IntArray) -> int | None:
    """Number of the first query, from 1, in which two runs differ; None if they are the same."""
    if a.shape == b.shape and np.array_equal(a, b):
        return None
    n = min(len(a), len(b))
    different = np.flatnonzero((a[:n] != b[:n]).any(axis=1))
    return int(different[0]) + 1 if len(different) else n + 1
