"""One run under way: its solver, its meter and its journal."""

import traceback
from time import perf_counter

import numpy as np

from amb.contracts.problem import Problem
from amb.contracts.solver import Solver
from amb.contracts.space import FloatArray, IntArray
from amb.errors import SolverError
from amb.runs import RunPlan, RunRecord, Status, Trace
from amb.solvers import resolve
from amb.study import Study


class ReplayMismatch(Exception):
    """A solver, told what the journal holds, asked something else than it did then."""


class LiveRun:
    """Advances one run batch by batch: `ask`, then `observe` with what was measured.

    A solver that raises ends its own run with status "crash" and harms no other.

    Attributes:
        plan, problem: what is run.
        status: None until the run has ended otherwise than by spending its budget.
        queries: candidates evaluated so far.
        best: the best value observed so far, or minus infinity.
    """

    def __init__(self, plan: RunPlan, problem: Problem, study: Study, *, timing: bool = False) -> None:
        self.plan = plan
        self.problem = problem
        self.status: Status | None = None
        self.best = -np.inf
        self._study = study
        self._timing = timing
        self._message = ""
        self._seconds = {"solver": 0.0, "generator": 0.0, "target": 0.0}
        self._batches: list[tuple[IntArray, FloatArray, FloatArray]] = []
        self.queries = 0
        self._solver: Solver | None = None
        start = perf_counter()
        self._guard(self._make_solver)
        self._seconds["solver"] += perf_counter() - start
        earlier = self._replay(study.unfinished(plan))
        self._journal = study.journal(plan, problem.space.d, earlier)

    @property
    def done(self) -> bool:
        """Whether the run has ended, well or not."""
        return self.status is not None or self.queries >= self.plan.budget

    def ask(self) -> IntArray | None:
        """The next candidates, or None if the solver failed."""
        start = perf_counter()
        candidates = self._guard(lambda: self._live().ask())
        self._seconds["solver"] += perf_counter() - start
        return candidates

    def observe(
        self, candidates: IntArray, values: FloatArray, clean: FloatArray, *, generator: float, target: float
    ) -> None:
        """Record what was measured, first on disk, then tell the solver.

        Args:
            generator, target: seconds of evaluation that these candidates cost.
        """
        values = np.where(np.isfinite(values), values, np.nan)
        self._journal.append(candidates, values, clean)
        self._seconds["generator"] += generator
        self._seconds["target"] += target
        start = perf_counter()
        self._learn(candidates, values, clean)
        self._seconds["solver"] += perf_counter() - start

    def finish(self) -> RunRecord:
        """Score the recommendation without metering it, write the run file and drop the journal."""
        trace = self._trace()
        recommended: IntArray | None = None
        if self.status is None:
            recommended = self._guard(lambda: self.problem.space.check(self._live().recommend()[None])[0])
        record = RunRecord(
            plan=self.plan,
            status=self.status or "ok",
            queries=len(trace),
            distinct=len(np.unique(trace.candidates, axis=0)),
            recommended=() if recommended is None else tuple(recommended.tolist()),
            final=np.nan if recommended is None else self._clean_value(recommended, trace),
            solver_seconds=self._seconds["solver"],
            generator_seconds=self._seconds["generator"],
            target_seconds=self._seconds["target"],
            timing=self._timing,
            message=self._message,
        )
        self._study.save(record, trace)
        self._journal.discard()
        self._solver = None
        return record

    def abandon(self) -> None:
        """Close the journal and leave it for the next time."""
        self._journal.close()

    def _make_solver(self) -> None:
        self._solver = resolve(self.plan.solver).start(self.problem, budget=self.plan.budget, seed=self.plan.seed)

    def _live(self) -> Solver:
        if self._solver is None:
            raise SolverError("the solver could not be made")
        return self._solver

    def _learn(self, candidates: IntArray, values: FloatArray, clean: FloatArray) -> None:
        self._batches.append((candidates, values, clean))
        self.queries += len(values)
        self.best = float(np.fmax.reduce(values, initial=self.best))
        self._guard(lambda: self._live().tell(candidates, values))

    def _replay(self, trace: Trace | None) -> Trace | None:
        """Tell a fresh solver what is known already; what it does not ask again is not used.

        A batch that a smaller budget had cut short ends the replay: with more budget, a solver asks more.
        """
        if trace is None or self.status is not None:
            return None
        ends = np.cumsum(trace.batches)
        start = perf_counter()
        for first, last in zip(ends - trace.batches, ends, strict=True):
            if last > self.plan.budget or self.done:
                break
            candidates = self._guard(lambda: self._live().ask())
            if candidates is None:
                break
            if not np.array_equal(candidates, trace.candidates[first:last]):
                self._forget_last_ask()
                break
            self._learn(candidates, trace.values[first:last], trace.clean[first:last])
        self._seconds["solver"] += perf_counter() - start
        return self._trace()

    def _forget_last_ask(self) -> None:
        """Rebuild the solver from what was replayed, as it cannot take an ask back."""
        batches, self._batches, self.queries = self._batches, [], 0
        self._make_solver()
        for candidates, values, clean in batches:
            self._live().ask()
            self._learn(candidates, values, clean)

    def _clean_value(self, recommended: IntArray, trace: Trace) -> float:
        seen = np.flatnonzero((trace.candidates == recommended).all(axis=1))
        if seen.size and np.isfinite(trace.clean[seen[0]]):
            return float(trace.clean[seen[0]])
        return float(type(self.problem).evaluate_together([self.problem], [recommended[None]]).clean[0][0])

    def _trace(self) -> Trace:
        if not self._batches:
            return Trace.empty(self.problem.space.d)
        candidates, values, clean = zip(*self._batches, strict=True)
        sizes = np.array([len(v) for v in values], dtype=np.int64)
        return Trace(np.concatenate(candidates), np.concatenate(values), np.concatenate(clean), sizes)

    def _guard(self, call):  # type: ignore[no-untyped-def]
        """Call solver code; what it raises ends this run and is kept in its record."""
        try:
            return call()
        except Exception as cause:
            self.status = "crash"
            self._message = "".join(traceback.format_exception(cause))
            return None
