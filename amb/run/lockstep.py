"""Advancing many runs together, so that one batch through the network serves them all."""

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from amb.activation import as_activations
from amb.clock import CLOCK
from amb.contracts.noise import Queries
from amb.contracts.problem import Evaluation, Problem
from amb.contracts.space import FloatArray, IntArray
from amb.foreign import contained
from amb.interruption import from_user
from amb.run.evaluation_thread import EvaluationThread
from amb.run.live import LiveRun


class Asked(NamedTuple):
    """Candidates that a run asks for, and which of its queries they are."""

    run: LiveRun
    candidates: IntArray
    queries: Queries


class Measured(NamedTuple):
    """The values of a run's candidates and their share of the batch's seconds."""

    values: FloatArray
    clean: FloatArray
    generator_seconds: float
    target_seconds: float


Outcome = tuple[Asked, Measured | BaseException]
"""What became of a run's candidates: their values, or why they could not be measured."""


@dataclass(frozen=True)
class _Flight:
    """Runs that have been asked, and what becomes of their candidates."""

    runs: Sequence[LiveRun]
    outcomes: "Future[list[Outcome]]"


class Lockstep:
    """The runs under way: they are asked, evaluated in one pass per group of problems, and told their values.

    With `overlap`, solvers think while the network computes: one half of the runs is evaluated in a thread while the
    other half is told its values and asked again. Traces do not depend on it, since what a run observes depends on its
    own queries only.

    Args:
        overlap: whether that is allowed. It is done while all runs' problems are `threaded`.
    """

    def __init__(self, *, overlap: bool) -> None:
        self._thread = EvaluationThread() if overlap else None
        self._ready: list[LiveRun] = []
        self._flights: deque[_Flight] = deque()

    @property
    def runs(self) -> list[LiveRun]:
        """All runs under way."""
        return [*self._ready, *(run for flight in self._flights for run in flight.runs)]

    def add(self, run: LiveRun) -> None:
        """Let a run take part."""
        self._ready.append(run)

    def advance(self, finished: Callable[[LiveRun], None]) -> None:
        """Ask the runs whose turn it is and begin to evaluate; tell those that were evaluated meanwhile their values.

        Args:
            finished: called with each run as it ends.
        """
        runs = self.runs
        if self._thread is None or len(runs) < 2 or not all(run.problem.threaded for run in runs):
            self._land_all(finished, ask=True)
            self._depart(len(self._ready), None)
            self._land_all(finished, ask=True)
            return
        self._depart(-(-len(runs) // 2), self._thread)
        while len(self._flights) > 1 or (self._flights and not self._ready):
            self._land(finished, ask=True)

    def land_all(self, finished: Callable[[LiveRun], None]) -> None:
        """Wait for everything that is evaluated, and tell the runs their values; nothing is asked."""
        self._land_all(finished, ask=False)

    def settle(self) -> None:
        """Wait until nothing is evaluated, so that this thread may use the problems."""
        for flight in self._flights:
            flight.outcomes.exception()

    def close(self, *, at_once: bool) -> None:
        """End the thread, and let go of all runs; their journals stay.

        Args:
            at_once: what is evaluated may be given up.
        """
        if self._thread is not None:
            self._thread.close(at_once=at_once)
        for run in self.runs:
            run.abandon()

    def _depart(self, number: int, thread: EvaluationThread | None) -> None:
        """Ask the first runs that are ready, and evaluate their candidates here or in the thread."""
        flight = _Flight(self._ready[:number], Future())
        self._flights.append(flight)
        self._ready = self._ready[number:]
        asked = [one for run in flight.runs if (one := _ask(run)) is not None]
        if thread is not None:
            thread.start(lambda: _measured(asked), flight.outcomes)
        else:
            flight.outcomes.set_result(_measured(asked))

    def _land_all(self, finished: Callable[[LiveRun], None], *, ask: bool) -> None:
        while self._flights:
            self._land(finished, ask=ask)

    def _land(self, finished: Callable[[LiveRun], None], *, ask: bool) -> None:
        """Tell the runs that were evaluated first their values, and let them ask for their next candidates.

        All values are written to disk before the first solver thinks: one after another, that takes half of the time.
        """
        flight = self._flights[0]
        learning = []
        for one, outcome in flight.outcomes.result():
            if isinstance(outcome, BaseException):
                one.run.fail(outcome)
            else:
                one.run.keep(
                    one.candidates,
                    outcome.values,
                    outcome.clean,
                    generator=outcome.generator_seconds,
                    target=outcome.target_seconds,
                )
                learning.append(one.run)
        clock = CLOCK.now()
        for run in learning:
            clock = run.learn(clock, ask=ask)
        for run in flight.runs:
            if run.done:
                finished(run)
        self._flights.popleft()
        self._ready += [run for run in flight.runs if not run.done]


def _ask(run: LiveRun) -> Asked | None:
    candidates = run.ask() if not run.done else None
    return None if candidates is None else Asked(run, candidates, run.next_queries)


def _measured(asked: Sequence[Asked]) -> list[Outcome]:
    """Evaluate candidates in one pass per group of problems."""
    groups: dict[str, list[Asked]] = defaultdict(list)
    for one in asked:
        groups[one.run.problem.group].append(one)
    return [outcome for group in groups.values() for outcome in _outcomes(group)]


def _outcomes(group: list[Asked]) -> list[Outcome]:
    """Evaluate a group's candidates together; if that fails, run by run, so that only the run at fault ends."""
    try:
        evaluation = _evaluate(group)
    except BaseException as cause:
        if from_user(cause):
            raise
        if len(group) == 1:
            return [(group[0], cause)]
        return [outcome for one in group for outcome in _outcomes([one])]
    # Copies, since a problem may use its arrays again; of all at once, since most runs have a few values.
    values, clean = (as_activations(np.concatenate(column)) for column in (evaluation.values, evaluation.clean))
    outcomes: list[Outcome] = []
    end = 0
    for one in group:
        start, end = end, end + len(one.candidates)
        share = (end - start) / len(values)
        seconds = evaluation.generator_seconds * share, evaluation.target_seconds * share
        outcomes.append((one, Measured(values[start:end], clean[start:end], *seconds)))
    return outcomes


def _evaluate(group: list[Asked]) -> Evaluation:
    problems = [one.run.problem for one in group]
    batches = [one.candidates for one in group]
    queries = [one.queries for one in group]
    kind = type(problems[0])
    with contained():
        evaluation: Evaluation = kind.observe_together(list(problems), [b.copy() for b in batches], queries)
    if kind.observe_together.__func__ is Problem.observe_together.__func__:  # type: ignore[attr-defined]
        return evaluation  # it has checked what it returns
    return evaluation.checked(problems, batches)
