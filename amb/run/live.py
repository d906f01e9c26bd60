"""A run in progress: its solver, its costs and its journal."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from amb.catalogue.solvers import SolverSpec, resolve
from amb.clock import CLOCK
from amb.contracts.noise import Queries
from amb.contracts.problem import Problem
from amb.contracts.solver import Solver
from amb.contracts.space import FloatArray, IntArray
from amb.errors import SolverError
from amb.foreign import contained, explained, text_of
from amb.interruption import from_user, is_a
from amb.run import answers
from amb.run.ending import clean_value, refuse_unmeasured, saw_nothing, store
from amb.run.isolation.solver import IsolatedSolver, NoProcess, RaisedInProcess, Refusal, isolated
from amb.run.limits import NO_LIMITS, Limits, OutOfTime, within
from amb.study.journal import Journal
from amb.study.lock import Claim
from amb.study.runs import NO_ACTIVATION, NO_SUCCESS, Known, RunPlan, RunRecord, Seconds, Status, Trace
from amb.study.study import Study

T = TypeVar("T")
Rows = tuple[IntArray, FloatArray, FloatArray]

_NOTHING: FloatArray = np.empty(0)


class LiveRun:
    """Advances one run batch by batch: `ask`, then `keep` what was measured and `learn` from it, or `fail`.

    What earlier processes observed is first replayed to a fresh solver; nothing is measured again. A solver
    that raises, exits or takes too long ends its own run and harms no other.

    Attributes:
        plan, problem: what is run.
        status: None, unless the run has stopped before its budget was spent.
        message: why it stopped.
        queries: candidates observed so far; `replayed`, how many of them were known already.
        best: the best value observed so far, or minus infinity.
        replaced: queries of a longer run whose place this one takes, since its seconds cannot be compared; ``damaged/``
            keeps a copy.
    """

    def __init__(
        self,
        plan: RunPlan,
        problem: Problem,
        study: Study,
        *,
        find_solver: Callable[[str], SolverSpec] = resolve,
        timing: bool = False,
        limits: Limits = NO_LIMITS,
        claim: Claim | None = None,
    ) -> None:
        self.plan = plan
        self.problem = problem
        self.status: Status | None = None
        self.message = ""
        self.queries = 0
        self.best = -np.inf
        self.replaced = 0
        self._study = study
        self._find_solver = find_solver
        self._timing = timing
        self._limits = limits
        self._claim = claim
        self._journal: Journal | None = None
        self._batches: list[Rows] = []
        self._solver: Solver | None = None
        self._asked: IntArray | None = None
        # The first rows of the batch asked, if they are known: a smaller budget had cut it there.
        self._head: Rows | None = None
        self._kept: Rows | None = None
        known = study.unfinished(plan) or Known(Trace.empty(problem.space.d))
        longer = len(known.trace) > plan.budget
        # Seconds of a run that shared the machine, or a share of a longer run's seconds, do not support timing claims.
        if timing and (longer or not known.timed):
            if longer:
                study.keep_copy(plan)
                self.replaced = len(known.trace)
            known = Known(Trace.empty(problem.space.d))
        self._solver_seconds = known.seconds.solver
        self._generator_seconds, self._target_seconds = known.seconds.generator, known.seconds.target
        self._replaying = True
        start = CLOCK.now()
        self._guard(self._make_solver)
        if not len(known.trace):  # otherwise it has been charged already
            self._charge(start)
        self._replay(known.trace)
        self._replaying = False
        if self.status is not None:
            self._restore(known.trace)
        self.replayed = self.queries + (len(self._head[1]) if self._head else 0)

    @property
    def done(self) -> bool:
        """Whether the run has spent its budget or stopped."""
        return self.status is not None or self.queries >= self.plan.budget

    @property
    def seconds(self) -> Seconds:
        """What the run has cost so far, over all processes."""
        return Seconds(self._solver_seconds, self._generator_seconds, self._target_seconds)

    @property
    def next_queries(self) -> Queries:
        """Which queries of the run the candidates of `ask` are."""
        known = self._batches if self._head is None else [*self._batches, self._head]
        first = self.queries + (len(self._head[1]) if self._head else 0)
        memory = self.problem.memory
        return Queries(self.plan.noise_stream, first, _latest(known, memory) if memory else _NOTHING)

    def ask(self) -> IntArray | None:
        """The candidates to measure next, or None if the solver failed."""
        if self._asked is None:
            if isinstance(self._solver, IsolatedSolver):
                self._guard(self._solver.begin, limited=False)
                if not self.done:
                    self._start(self._solver)
                if self.done:
                    return None
            start = CLOCK.now()
            self._ask()
            self._charge(start)
        known = len(self._head[1]) if self._head else 0
        return None if self._asked is None else self._asked[known:]

    def keep(
        self, candidates: IntArray, values: FloatArray, clean: FloatArray, *, generator: float, target: float
    ) -> None:
        """Write the values of the candidates that were asked to disk; then call `learn`.

        Args:
            candidates, values, clean: the rows that `ask` returned, and the activations that were measured; nothing
                else may change them.
            generator, target: seconds of evaluation that these candidates cost.
        """
        self._generator_seconds += generator
        self._target_seconds += target
        new: Rows = (candidates, values, clean)
        if self._journal is None:
            earlier = self._batches if self._head is None else [*self._batches, self._head]
            known = Known(self._trace(earlier), self.seconds)
            self._journal = self._study.journal(self.plan, self.problem.space.d, known)
        self._journal.append(*new, self.seconds, continues=self._head is not None)
        self._kept = new if self._head is None else _joined([self._head, new])
        self._batches = _tail(self._batches, self.problem.memory)  # the journal holds the others

    def learn(self, start: float, *, ask: bool) -> float:
        """Pass the values that were kept to the solver.

        Args:
            start: what the clock shows now.
            ask: let the solver, whose data are in the processor's caches now, ask for its next candidates as well.

        Returns:
            What it shows afterwards. The next run can start there: to read it takes longer than all that is done in
            between.
        """
        assert self._kept is not None
        kept, self._kept = self._kept, None
        if self._limits.timeout is None:
            self._learn(*kept, ask=ask)
        else:  # whether anything is left of it depends on what was charged
            self._learn(*kept)
            start = self._charge(start)
            if ask and not self.done:
                self._ask()
        return self._charge(start)

    def fail(self, cause: BaseException) -> None:
        """End the run: its candidates could not be measured."""
        self._end("crash", cause)

    def finish(self, settle: Callable[[], None] = lambda: None) -> RunRecord:
        """Score the recommendation without metering it, write the run file and drop the journal.

        Args:
            settle: called before the problem is used, if it is.
        """
        trace = self._trace(self._batches) if self._journal is None else self._journal.trace()
        recommended: IntArray | None = None
        final = np.nan
        if self.status is None and saw_nothing(trace):
            self.message = NO_SUCCESS
        elif self.status is None:
            start = CLOCK.now()
            recommended = self._guard(lambda: self._recommended(trace))
            if self.status == "timeout":  # else the record would say that it had time left
                self._charge(start)
        if recommended is not None:
            try:
                with contained():
                    final = clean_value(self.problem, recommended, trace, settle)
                if np.isnan(final):
                    self.message = NO_ACTIVATION
            except BaseException as cause:
                if from_user(cause):
                    raise
                self.fail(cause)
        if not isinstance(self._solver, IsolatedSolver):
            start = CLOCK.now()
            self._solver = None
            self._charge(start)  # to free what it has made takes up to a millisecond
        record = store(
            self._study,
            self.plan,
            trace,
            self._journal,
            status=self.status or "ok",
            recommended=recommended,
            final=final,
            seconds=self.seconds,
            message=self.message,
            timing=self._timing,
        )
        self.abandon()
        return record

    def abandon(self) -> None:
        """Release everything; a journal stays, so that the run can be resumed."""
        if self._journal is not None:
            self._journal.close()
        if isinstance(self._solver, IsolatedSolver):
            self._solver.close()
        self._solver = None
        if self._claim is not None:
            self._claim.release()

    def _make_solver(self) -> None:
        spec = self._find_solver(self.plan.solver)
        if isinstance(self._solver, IsolatedSolver):
            self._solver.close()
        if self._limits.isolate:
            self._solver = isolated(spec, self.problem, self.plan, memory=self._limits.memory)
        else:
            self._solver = spec.start(self.problem, budget=self.plan.budget, seed=self.plan.stream)

    def _start(self, solver: IsolatedSolver) -> None:
        """Let a process import and make its solver: no run is charged for imports, nor twice for making it."""
        before = solver.making
        self._guard(solver.start)
        if not self.queries:
            self._solver_seconds += solver.making - before

    def _live(self) -> Solver:
        if self._solver is None:
            raise SolverError("the solver could not be made")
        return self._solver

    def _charge(self, start: float) -> float:
        """Charge the solver for the time since `start` of the clock; returns the present."""
        end = max(start, CLOCK.now())
        self._solver_seconds += end - start
        return end

    def _ask(self) -> None:
        self._asked = self._guard(self._answer)

    def _answer(self) -> IntArray:
        return answers.ask(self._live(), self.problem.space, self.plan.budget - self.queries)

    def _recommended(self, trace: Trace) -> IntArray:
        recommended = answers.recommend(self._live(), self.problem.space)
        refuse_unmeasured(recommended, trace, self._find_solver(self.plan.solver).cls)
        return recommended

    def _learn(self, candidates: IntArray, values: FloatArray, clean: FloatArray, *, ask: bool = False) -> None:
        """Tell the solver, and let it ask as well if its budget is not spent: to guard a call takes some 20 µs."""
        self._asked = self._head = None
        self._batches.append((candidates, values, clean))
        self.queries += len(values)
        self.best = float(np.fmax.reduce(values, initial=self.best))
        more = ask and self.queries < self.plan.budget

        def tell() -> IntArray | None:
            self._live().tell(candidates.copy(), values.copy())  # it may change what it receives
            return self._answer() if more else None

        self._asked = self._guard(tell)
        if self._left() == 0 and self.status is None and self.queries < self.plan.budget:
            self._end("timeout", OutOfTime())

    def _replay(self, known: Trace) -> None:
        """Pass known values to a fresh solver, as long as it asks for the same candidates.

        If only part of a batch is known, the rest will be measured.
        """
        while not self.done and self.queries < len(known):
            self._ask()
            if self._asked is None:
                return
            again = known.rows(self.queries, min(self.queries + len(self._asked), len(known)))
            if not np.array_equal(self._asked[: len(again[1])], again[0]):
                self._part_from(known)
                return
            if len(again[1]) < len(self._asked):
                self._head = again
                return
            self._learn(*again)

    def _restore(self, known: Trace) -> None:
        """Keep everything that is known of a run that failed during replay."""
        ends = np.minimum(np.cumsum(known.batches), self.plan.budget)
        starts = np.r_[0, ends][:-1]
        self._batches = [known.rows(a, b) for a, b in zip(starts, ends, strict=True) if b > a]
        self.queries = int(ends[-1]) if len(ends) else 0

    def _part_from(self, known: Trace) -> None:
        """Continue without the rest of the known values, whose candidates this solver does not ask for.

        This is normal only for the last batch, if a smaller budget had cut it and the method asks for different
        candidates with a larger one. Otherwise the solver, or a package that it uses, has changed.
        """
        if self.queries < len(known) - known.batches[-1]:
            self._study.log.write(
                "warning",
                "replay differs",
                run_id=self.plan.run_id,
                run=self.plan.name,
                message=f"{self.plan.name}: after {self.queries} queries the solver asks for different candidates than "
                f"its journal holds; the run continues there, and damaged/ keeps the other {len(known) - self.queries}",
            )
            self._study.keep_copy(self.plan)
        batches, self._batches, self.queries, self._asked = self._batches, [], 0, None
        self._guard(self._make_solver)
        for candidates, values, clean in batches:
            if self.done or self._guard(self._live().ask) is None:
                return
            self._learn(candidates, values, clean)

    def _trace(self, batches: list[Rows]) -> Trace:
        if not batches:
            return Trace.empty(self.problem.space.d)
        return Trace(*_joined(batches), np.array([len(values) for _, values, _ in batches], dtype=np.int64))

    def _left(self) -> float | None:
        """Seconds until the timeout, None without one. Replay is not charged again."""
        timeout = self._limits.timeout
        return timeout if timeout is None or self._replaying else max(0.0, timeout - self.seconds.total)

    def _guard(self, call: Callable[[], T], *, limited: bool = True) -> T | None:
        """Call solver code, within the timeout if `limited`; an exception ends this run and is stored in its record.

        The bench's own exceptions mean what they say only if the bench has raised them; from a solver they are a crash.
        """
        left, start = self._left() if limited else None, CLOCK.now()
        try:
            if isinstance(self._solver, IsolatedSolver):
                self._solver.patience = left
            with contained(), within(left):
                return call()
        except OutOfTime as cause:
            self._end("timeout" if left is not None and CLOCK.since(start) >= left else "crash", cause)
        except NoProcess as cause:
            if self._limits.isolate:
                raise  # the machine's fault: the run begins when the command is repeated
            self._end("crash", cause)
        except SolverError as cause:  # raised while the solver is created, it means that the solver refuses the problem
            refused = is_a(cause, Refusal) if self._limits.isolate else self._solver is None
            self._end("skip" if refused or self._solver is None else "crash", cause)
        except BaseException as cause:
            if from_user(cause):
                raise
            self._end("crash", cause)
        return None

    def _end(self, status: Status, cause: BaseException) -> None:
        self.status = status
        if status == "timeout":
            self.message = f"stopped after {self.queries} queries: the limit of {self._limits.timeout:g} s is reached"
        elif status == "skip":
            self.message = text_of(cause)
        else:
            self.message = cause.traceback if is_a(cause, RaisedInProcess) else explained(cause)


def _latest(batches: list[Rows], number: int) -> FloatArray:
    """The noise-free values of the latest queries, at least `number` of them if there are as many."""
    taken = [clean for _, _, clean in _tail(batches, number)]
    return np.concatenate(taken) if taken else np.empty(0)


def _tail(batches: list[Rows], number: int) -> list[Rows]:
    """The last batches that hold at least `number` queries, all if there are not as many."""
    first, held = len(batches), 0
    while first and held < number:
        first -= 1
        held += len(batches[first][1])
    return batches[first:]


def _joined(batches: list[Rows]) -> Rows:
    candidates, values, clean = zip(*batches, strict=True)
    return np.concatenate(candidates), np.concatenate(values), np.concatenate(clean)
