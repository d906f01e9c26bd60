"""How the solvers of a study in progress stand: what progress displays show, computed in one place."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from time import monotonic

import numpy as np

from amb.run.progress import UnderWay
from amb.study.runs import RunPlan, RunRecord

Scale = Callable[[RunPlan, float], float]
"""Maps a run's best value to its normalized score; NaN where the problem has no reference points."""


@dataclass
class Standing:
    """One solver's runs so far.

    Attributes:
        solver: its spec.
        runs, ended, failed: number of its runs, of those that have ended, and of those that failed.
        budget, queries: queries asked for, and queries done (replayed ones and those of failed runs' budgets included).
        fresh: queries evaluated in this session.
        seconds: solver and evaluation seconds of the fresh queries.
        best, score: mean over its runs of the best activation so far, and of its normalized score; NaN before the first
            value, or without reference points.
    """

    solver: str
    runs: int = 0
    ended: int = 0
    failed: int = 0
    budget: int = 0
    queries: int = 0
    fresh: int = 0
    seconds: float = 0.0
    best: float = np.nan
    score: float = np.nan

    @property
    def seconds_left(self) -> float:
        """Processor seconds for the remaining queries at the rate so far; NaN before the first one."""
        return (self.budget - self.queries) * self.seconds / self.fresh if self.fresh else np.nan


@dataclass
class _Progress:
    """What is known of one run."""

    queries: int = 0
    fresh: int = 0
    seconds: float = 0.0
    best: float = -np.inf
    before: float | None = field(default=None, repr=False)  # its seconds when this session first saw it


class Standings:
    """Collects the events of `amb.run.progress.Progress`.

    Args:
        scale: a run's normalized score; by default no score is known.
    """

    def __init__(self, scale: Scale = lambda _plan, _value: np.nan) -> None:
        self._scale = cache(scale)
        self._runs: dict[str, _Progress] = {}
        self._plans: Sequence[RunPlan] = ()
        self._ended: dict[str, RunRecord] = {}
        self._began = monotonic()

    def begin(self, waiting: Sequence[RunPlan]) -> None:
        """These runs are to be done."""
        self._plans = tuple(waiting)
        self._runs = {plan.run_id: _Progress() for plan in waiting}
        self._began = monotonic()

    def update(self, runs: Sequence[UnderWay]) -> None:
        """These runs are under way."""
        for run in runs:
            self._look(run)

    def finished(self, run: UnderWay, record: RunRecord) -> None:
        """A run has ended."""
        self._look(run)
        self._ended[record.plan.run_id] = record
        # The rest of a failed run's budget will not be spent, so nothing is left of it.
        self._progress(record.plan).queries = record.plan.budget

    def skipped(self, record: RunRecord) -> None:
        """A run could not begin."""
        self._ended[record.plan.run_id] = record
        self._progress(record.plan).queries = record.plan.budget

    @property
    def solvers(self) -> list[Standing]:
        """One record per solver, in the order of the plan."""
        standings: dict[str, Standing] = {}
        values: dict[str, list[tuple[float, float]]] = {}
        for plan in self._plans:
            run, one = self._progress(plan), standings.setdefault(plan.solver, Standing(plan.solver))
            record = self._ended.get(plan.run_id)
            one.runs += 1
            one.ended += record is not None
            one.failed += record is not None and record.failed
            one.budget += plan.budget
            one.queries += min(run.queries, plan.budget)
            one.fresh += run.fresh
            one.seconds += run.seconds
            if np.isfinite(run.best):
                values.setdefault(plan.solver, []).append((run.best, self._scale(plan, run.best)))
        for solver, pairs in values.items():
            best, score = np.mean(pairs, axis=0)  # NaN if any score is unknown
            standings[solver].best, standings[solver].score = float(best), float(score)
        return list(standings.values())

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return monotonic() - self._began

    @property
    def rate(self) -> float:
        """Queries per second of this session."""
        return sum(run.fresh for run in self._runs.values()) / max(self.elapsed, 1e-9)

    @property
    def seconds_left(self) -> float:
        """Estimated seconds to the end; NaN while a solver has not begun.

        The remaining queries of each solver cost what its queries have cost so far; they proceed in parallel as much as
        those did. Solvers differ a thousandfold, so that queries per second alone would tell nothing.
        """
        solvers = self.solvers
        spent = sum(one.seconds for one in solvers)
        left = sum(one.seconds_left for one in solvers if one.queries < one.budget)
        return left * self.elapsed / spent if spent else np.nan

    def _look(self, run: UnderWay) -> None:
        one = self._progress(run.plan)
        if one.before is None:  # a resumed run's seconds include those of earlier sessions
            one.before = run.seconds.total if run.replayed else 0.0
        one.queries, one.fresh = run.queries, run.queries - run.replayed
        one.seconds = max(0.0, run.seconds.total - one.before)
        one.best = run.best

    def _progress(self, plan: RunPlan) -> _Progress:
        return self._runs.setdefault(plan.run_id, _Progress())
