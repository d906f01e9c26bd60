"""A solver under test: how cases create it, run it, and share its runs."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TypeVar

import numpy as np

from amb.catalogue.solvers import resolve, spec_of
from amb.contracts.solver import KINDS, Solver, declared_kinds
from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SolverError, SpecError
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
    """A case that does not apply to this solver, with the reason."""


class Subject:
    """A solver as the cases see it.

    Args:
        solver: a name, a spec, ``module:Class``, or a class.
    """

    def __init__(self, solver: str | type[Solver]) -> None:
        self.settings = GlobalStates.settings()  # before its module is imported
        if not (isinstance(solver, str) or (isinstance(solver, type) and issubclass(solver, Solver))):
            raise SpecError(f"expected a solver's name, spec or class, got {solver!r:.80}")
        self.spec = resolve(solver) if isinstance(solver, str) else spec_of(solver)
        self.cls = self.spec.cls
        self._runs: dict[tuple[int, int, int], Log] = {}
        self._broken = ""

    @cached_property
    def space(self) -> Space:
        """The plain space on which rules are tested: ordinal if the solver takes it."""
        for kind in ("ordinal", "categorical"):
            if kind in self.kinds:
                return PLAIN[kind]
        raise NotApplicable("it names no kind of space")

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of space that it claims to search with its options."""
        declared = declared_kinds(self.cls)
        for kind in declared or KINDS:
            with suppress(NotApplicable):
                return self.make(PLAIN[kind], budget=1).kinds
        return frozenset(declared)

    @cached_property
    def budget(self) -> int:
        """Queries of a run: enough for the method to learn from two batches and cut the third."""
        first = self._first_of_all(lambda: self.make(self.space, budget=10_000).ask())
        return max(BUDGET, int(BATCHES * len(first)))

    def make(
        self, space: Space | None = None, *, budget: int | None = None, seed: int = 3, steepness: float = 1.0
    ) -> Solver:
        """A fresh solver.

        Args:
            space: by default the plain space, which the solver must not refuse: nothing could be tested.
            budget: by default that of the cases.
            seed: the solver's seed.
            steepness: factor of the gradients that a white-box solver receives.

        Raises:
            NotApplicable: the method refuses the space.
            Violation: the solver refuses the plain space.
        """
        if self._broken:
            raise NotApplicable(self._broken)
        problem = Slope(space or self.space, steepness)
        try:
            return self.spec.start(problem, budget=budget or self.budget, seed=seed)
        except SolverError as refusal:
            if budget != 1 and problem.space is self.space:
                raise Violation(f"refuses the plain space that `kinds` claims: {refusal}") from refusal
            raise NotApplicable(f"refuses: {refusal}") from refusal

    def begin(self) -> Log:
        """The first half of a plain run, long before its budget ends."""
        return self._first_of_all(lambda: drive(self.make(budget=10 * self.budget), stop=self.budget // 2))

    def run(self, space: Space | None = None, *, budget: int | None = None, seed: int = 3) -> Log:
        """Candidates and values of a run on the smooth peak; runs are kept for later cases."""
        space, budget = space or self.space, budget or self.budget
        key = (id(space), budget, seed)
        if key not in self._runs:
            self._runs[key] = self._first_of_all(lambda: self._whole(space, budget, seed))
        return self._runs[key]

    def _whole(self, space: Space, budget: int, seed: int) -> Log:
        log = drive(self.make(space, budget=budget, seed=seed))
        if (asked := sum(len(candidates) for candidates, _ in log)) != budget:
            raise Violation(f"asked for {asked} queries of a budget of {budget}")
        return log

    def _first_of_all(self, call: Callable[[], Result]) -> Result:
        """The call's result. If it raises, later cases are skipped, so that the error is reported once."""
        try:
            return call()
        except NotApplicable:
            raise
        except BaseException:
            self._broken = "not tested: even a plain run fails"
            raise


def drive(solver: Solver, objective: Objective = near, limits: Sequence[int | None] = (None,), stop: int = 0) -> Log:
    """Run a solver until its budget, or `stop` queries, are spent.

    Args:
        solver: a solver of which nothing has been asked, or that waits for its next ask.
        objective: int64[n, d] -> float64[n].
        limits: the limits of the asks, used in turn.
        stop: queries after which to stop; 0 for the whole budget.

    Returns:
        Candidates and values, batch by batch. A run ends one batch after its budget even if the solver does not.
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
    """Number of the first query, counted from 1, in which two runs differ; None if they are equal."""
    if a.shape == b.shape and np.array_equal(a, b):
        return None
    n = min(len(a), len(b))
    different = np.flatnonzero((a[:n] != b[:n]).any(axis=1))
    return int(different[0]) + 1 if len(different) else n + 1
