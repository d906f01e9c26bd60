"""The events of a study in progress, and who receives them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from amb.study.runs import RunPlan, RunRecord, Seconds


class UnderWay(Protocol):
    """The displayed state of a run in progress, in this process or another.

    Attributes:
        plan: what is run.
        queries: candidates observed so far; `replayed`, how many of them were known already.
        best: the best value observed so far, or minus infinity.
        seconds: what the run has cost so far, over all processes.
    """

    plan: RunPlan
    queries: int
    replayed: int
    best: float

    @property
    def seconds(self) -> Seconds: ...


@dataclass
class RemoteRun:
    """The latest report on a run in progress in another process: an `UnderWay`."""

    plan: RunPlan
    queries: int = 0
    replayed: int = 0
    best: float = -np.inf
    seconds: Seconds = Seconds()  # noqa: RUF009 - frozen

    @classmethod
    def of(cls, run: UnderWay) -> "RemoteRun":
        """A report on a run."""
        return cls(run.plan, run.queries, run.replayed, float(run.best), run.seconds)


LOADING = "Loading solvers and networks ..."
"""What every command prepares that runs something."""


class Progress:
    """Receives the events of a study: `prepare`, `begin`, then `update` and `finished` many times, then `end`."""

    def prepare(self, message: str = LOADING) -> None:
        """Something that takes a while happens before the runs begin."""

    def begin(self, planned: int, waiting: Sequence[RunPlan]) -> None:
        """`planned` runs were asked for, of which `waiting` are not finished yet."""

    def update(self, runs: Sequence[UnderWay]) -> None:
        """All `runs` under way have advanced by one batch."""

    def finished(self, run: UnderWay, record: RunRecord) -> None:
        """One run has ended."""

    def skipped(self, record: RunRecord) -> None:
        """A run could not begin; its record says why."""

    def note(self, message: str) -> None:
        """Something that the user should know."""

    def end(self) -> None:
        """The session is over, whether all runs are finished or not."""


class NoProgress(Progress):
    """Shows nothing."""
