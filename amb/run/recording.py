"""A recording in progress: several neurons see every presentation, and each has a search of its own."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from amb.activation import as_activations
from amb.catalogue.solvers import SolverSpec
from amb.clock import CLOCK
from amb.contracts.noise import Queries
from amb.contracts.problem import Evaluation, FunctionProblem, Problem
from amb.contracts.space import FloatArray, IntArray
from amb.foreign import contained, explained
from amb.installed import OURS
from amb.interruption import from_user
from amb.run import answers
from amb.run.ending import clean_value, refuse_unmeasured, saw_nothing, store
from amb.study.journal import Journal
from amb.study.runs import NO_ACTIVATION, NO_SUCCESS, Known, RunPlan, RunRecord, Seconds, Status, Trace
from amb.study.study import Study

# Numbers of a block's copies that problems of one's own are given at a time.
MOST_COPIED = 1 << 25

T = TypeVar("T")
Rows = tuple[IntArray, FloatArray, FloatArray]


class NeuronSearch:
    """One neuron of a recording: its solver, its responses to all presentations, and its journal.

    A solver that fails ends its own search; its neuron still responds to the others' stimuli.

    Attributes:
        plan, problem: which run this is.
        queries: presentations so far; `replayed`, how many of them were known already.
        best: the best value observed so far, or minus infinity.
        seconds: what the run has cost so far, over all processes.
    """

    def __init__(self, plan: RunPlan, problem: Problem, spec: SolverSpec, study: Study, *, share: int) -> None:
        self.plan, self.problem = plan, problem
        self.queries = self.replayed = 0
        self.best = -np.inf
        known = study.unfinished(plan) or Known(Trace.empty(problem.space.d))
        self.seconds = known.seconds
        self._known = known.trace
        self._study, self._share = study, share
        self._status: Status = "ok"
        self._message = ""
        self._journal: Journal | None = None
        self._blocks: list[Rows] = []
        self._asked = 0
        self._solver = self._timed(lambda: spec.start(problem, budget=share, seed=plan.stream))

    @property
    def over(self) -> bool:
        """Whether the search asks for nothing more."""
        return self._status != "ok" or self._asked >= self._share

    def ask(self) -> IntArray:
        """The candidates that the search wants to be presented next; none if it is over."""
        solver, space = self._solver, self.problem.space
        found = None
        if not self.over and solver is not None:
            found = self._timed(lambda: answers.ask(solver, space, self._share - self._asked))
        if found is None:
            return np.empty((0, space.d), dtype=np.int64)
        self._asked += len(found)
        return found

    def known(self, block: IntArray) -> tuple[FloatArray, FloatArray] | None:
        """Values and noise-free values of a block that an earlier process observed; None if it has to be presented."""
        candidates, values, clean = self._known.rows(self.queries, self.queries + len(block))
        if len(values) < len(block):
            return None
        if not np.array_equal(candidates, block):
            self._part_from_known()
            return None
        return values, clean

    def share_known(self, other: "NeuronSearch") -> None:
        """Hold what was presented earlier once for all neurons, if another one's journal holds the same."""
        mine, theirs = self._known.candidates, other._known.candidates
        if mine.shape == theirs.shape and np.array_equal(mine, theirs):
            self._known = replace(self._known, candidates=theirs)

    def next_queries(self) -> Queries:
        """Which presentations the next block's are, and what was shown before."""
        memory = self.problem.memory
        before = np.concatenate([clean for *_, clean in self._blocks[-memory:]] or [np.empty(0)]) if memory else None
        return Queries(self.plan.noise_stream, self.queries, np.empty(0) if before is None else before[-memory:])

    def observe(self, block: IntArray, values: FloatArray, clean: FloatArray, *, seconds: Seconds, new: bool) -> None:
        """Add the neuron's responses to a block; if they are new, they are on the disk when this returns."""
        values, clean = as_activations(values), as_activations(clean)
        if new:
            self.seconds += seconds
            if self._journal is None:
                so_far = Known(self._trace(), self.seconds)
                self._journal = self._study.journal(self.plan, self.problem.space.d, so_far)
            self._journal.append(block, values, clean, self.seconds)
        self._blocks.append((block, values, clean))
        self.queries += len(values)
        self.replayed += 0 if new else len(values)
        self.best = float(np.fmax.reduce(values, initial=self.best))

    def tell(self, own: slice, *, learn: bool) -> None:
        """Give the search the values of its own part of the last block, and of the rest if it learns."""
        solver = self._solver
        if solver is None or self._status != "ok":
            return
        block, values, _ = self._blocks[-1]
        others = np.ones(len(block), dtype=bool)
        others[own] = False

        def call() -> None:
            if not others.all():
                solver.tell(block[own].copy(), values[own].copy())
            if learn:
                solver.learn(block[others], values[others])

        self._timed(call)

    def finish(self, owners: Sequence[Sequence[int]], neuron: int, *, learn: bool) -> RunRecord:
        """Score the recommendation, write the run file and drop the journal.

        Args:
            owners: for each block, how many of its presentations each search asked for, in order.
            neuron: this one's place among the searches.
            learn: whether the solver has received the responses to the others' stimuli already; otherwise it receives
                them now, so that it may recommend one of them.
        """
        trace = self._trace()
        recommended: IntArray | None = None
        final = np.nan
        if self._status == "ok" and self._solver is not None:
            solver, space = self._solver, self.problem.space
            if not learn:
                foreign = np.concatenate([np.repeat(np.arange(len(sizes)), sizes) for sizes in owners]) != neuron
                self._guard(lambda: solver.learn(trace.candidates[foreign], trace.values[foreign]))
            if self._status == "ok" and saw_nothing(trace):
                self._message = NO_SUCCESS
            elif self._status == "ok":
                recommended = self._guard(lambda: answers.recommend(solver, space))
        if recommended is not None:
            self._guard(lambda: refuse_unmeasured(recommended, trace, type(solver)))
        if recommended is not None and self._status == "ok":
            measured = self._guard(lambda: clean_value(self.problem, recommended, trace))
            final = np.nan if measured is None else measured
            if self._status == "ok" and np.isnan(final):
                self._message = NO_ACTIVATION
        return store(
            self._study,
            self.plan,
            trace,
            self._journal,
            status=self._status,
            recommended=recommended,
            final=final,
            seconds=self.seconds,
            message=self._message,
        )

    def fail(self, cause: BaseException) -> None:
        """End the search."""
        if self._status == "ok":
            self._status = "crash"
            self._message = explained(cause)

    def close(self) -> None:
        """Close the journal; it stays unless the run is finished."""
        if self._journal is not None:
            self._journal.close()

    def _timed(self, call: Callable[[], T]) -> T | None:
        """Call the solver's code and charge its seconds to the run; those of a replay were charged before."""
        start = CLOCK.now()
        result = self._guard(call)
        if self.queries >= len(self._known):
            self.seconds += Seconds(solver=CLOCK.since(start))
        return result

    def _guard(self, call: Callable[[], T]) -> T | None:
        """Call a solver's or a problem's code; an exception ends the search."""
        try:
            with contained():
                return call()
        except BaseException as cause:
            if from_user(cause):
                raise
            self.fail(cause)
        return None

    def _part_from_known(self) -> None:
        """Continue without the rest of the known values, whose candidates the searches do not ask for any more."""
        self._study.log.write(
            "warning",
            "replay differs",
            run_id=self.plan.run_id,
            run=self.plan.name,
            message=f"{self.plan.name}: after {self.queries} presentations the searches ask for different candidates "
            f"than its journal holds; the recording continues there, and damaged/ keeps the rest",
        )
        self._study.keep_copy(self.plan)
        self._known = self._known.first(self.queries)

    def _trace(self) -> Trace:
        if not self._blocks:
            return Trace.empty(self.problem.space.d)
        candidates, values, clean = (np.concatenate(column) for column in zip(*self._blocks, strict=True))
        sizes = np.array([len(values) for _, values, _ in self._blocks], dtype=np.int64)
        return Trace(candidates, values, clean, sizes)


class LiveRecording:
    """Advances a recording block by block, until the budget is spent or all searches have failed.

    A block is what every search asks for at a time. Its responses are on the disk, in a journal for each neuron, before
    any solver receives one of them. What earlier processes observed is replayed to fresh solvers; of a block that only
    some journals hold, the other neurons' responses alone are measured.

    Attributes:
        searches: the neurons, in the order of the plans.
    """

    def __init__(self, plans: Sequence[RunPlan], problems: Sequence[Problem], spec: SolverSpec, study: Study) -> None:
        recording = plans[0].recording
        assert recording is not None
        self._learn = recording.sharing == "learn"
        shares = [plan.budget // len(plans) for plan in plans]
        pairs = zip(plans, problems, shares, strict=True)
        self.searches: list[NeuronSearch] = []
        for plan, one, share in pairs:
            self.searches.append(NeuronSearch(plan, one, spec, study, share=share))
            self.searches[-1].share_known(self.searches[0])
        self._owners: list[list[int]] = []

    @property
    def done(self) -> bool:
        """Whether no search asks for more."""
        return all(search.over for search in self.searches)

    def advance(self) -> None:
        """Present one block."""
        asked = [search.ask() for search in self.searches]
        sizes = [len(rows) for rows in asked]
        block = np.concatenate(asked)
        if not len(block):
            return
        known = [search.known(block) for search in self.searches]
        fresh = [search for search, before in zip(self.searches, known, strict=True) if before is None]
        try:
            measured = iter(self._measure(fresh, block) if fresh else ())
        except BaseException as cause:
            if from_user(cause):
                raise
            for search in self.searches:
                search.fail(cause)
            return
        for search, before in zip(self.searches, known, strict=True):
            if before is not None:
                search.observe(block, *before, seconds=Seconds(), new=False)
            else:
                values, clean, seconds = next(measured)
                search.observe(block, values, clean, seconds=seconds, new=True)
        self._owners.append(sizes)
        for search, end, size in zip(self.searches, np.cumsum(sizes), sizes, strict=True):
            search.tell(slice(int(end) - size, int(end)), learn=self._learn)

    def finish(self) -> list[RunRecord]:
        """Write all runs."""
        return [one.finish(self._owners, neuron, learn=self._learn) for neuron, one in enumerate(self.searches)]

    def close(self) -> None:
        """Close the journals; those of an unfinished recording stay, so that it can be resumed."""
        for search in self.searches:
            search.close()

    def _measure(
        self, searches: Sequence[NeuronSearch], block: IntArray
    ) -> list[tuple[FloatArray, FloatArray, Seconds]]:
        """The responses of some neurons to a block, in one pass; problems of one's own take several if they are many.

        These may write into what they are given, and a copy for each of N neurons takes memory by the square of N.
        """
        kind = type(searches[0].problem)
        ours = kind.__module__.split(".")[0] in OURS and kind is not FunctionProblem
        at_once = len(searches) if ours else max(1, MOST_COPIED // block.size)
        measured: list[tuple[FloatArray, FloatArray, Seconds]] = []
        for first in range(0, len(searches), at_once):
            part = searches[first : first + at_once]
            problems = [search.problem for search in part]
            queries = [search.next_queries() for search in part]
            shown = [block if ours else block.copy() for _ in part]
            with contained():
                evaluation: Evaluation = kind.observe_together(list(problems), shown, queries)
            checked = evaluation.checked(problems, [block] * len(part))
            share = Seconds(generator=checked.generator_seconds / len(part), target=checked.target_seconds / len(part))
            rows = zip(checked.values, checked.clean, strict=True)
            measured += [(values, clean, share) for values, clean in rows]
        return measured
