"""Showing the progress of a study."""

from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Protocol

import numpy as np

from amb.study.runs import RunPlan, RunRecord, Seconds
from amb.study.untrusted import plain
from amb.text import plural

if TYPE_CHECKING:
    from rich.console import Console

# Number of single runs shown as bars, to fit on a screen; the others are in the total.
VISIBLE_RUNS = 8
REFRESH_SECONDS = 0.2


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
    seconds: Seconds


class Progress:
    """Receives the events of a study: `begin`, then `update` and `finished` many times, then `end`."""

    def begin(self, planned: int, waiting: Sequence[RunPlan]) -> None:
        """`planned` runs were asked for, of which `waiting` are not finished yet."""

    def update(self, runs: Sequence[UnderWay]) -> None:
        """All `runs` under way have advanced by one batch."""

    def finished(self, run: UnderWay, record: RunRecord) -> None:
        """One run has ended."""

    def note(self, message: str) -> None:
        """Something that the user should know."""

    def end(self) -> None:
        """The session is over, whether all runs are finished or not."""


class NoProgress(Progress):
    """Shows nothing."""


class RichProgress(Progress):
    """Bars in a terminal: the whole study, with queries per second and time left, and the runs under way."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars
        from rich.table import Column

        self._console = console
        name = Column(ratio=3, no_wrap=True, overflow="ellipsis")
        self._bars = Bars(
            TextColumn("{task.description}", markup=False, table_column=name),
            BarColumn(bar_width=None, table_column=Column(ratio=2)),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False, table_column=Column(no_wrap=True)),
            TimeRemainingColumn(compact=True),
            console=console,
            refresh_per_second=4,
            transient=True,
            expand=True,
        )
        self._tasks: dict[str, int] = {}
        self._total: int | None = None
        self._done = 0
        self._began = 0.0
        self._shown = 0.0
        self._first: dict[str, int] = {}

    def begin(self, planned: int, waiting: Sequence[RunPlan]) -> None:
        """Draw the total bar."""
        self._began = monotonic()
        if not waiting:
            self._console.print(f"The study already holds {'all ' if planned > 1 else ''}{plural(planned, 'run')}.")
            return
        reused = planned - len(waiting)
        queries = sum(plan.budget for plan in waiting)
        self._console.print(
            f"{plural(len(waiting), 'run')}, {plural(queries, 'query', 'queries')}"
            + (f" ({plural(reused, 'run')} reused)" if reused else "")
        )
        self._bars.start()
        self._total = self._bars.add_task("all runs", total=queries, note="")

    def update(self, runs: Sequence[UnderWay]) -> None:
        """Advance the bars, a few times a second at most."""
        for run in runs:
            # Replaying a journal is not work done now.
            self._first.setdefault(run.plan.run_id, run.queries)
        if self._total is None or monotonic() - self._shown < REFRESH_SECONDS:
            return
        self._shown = monotonic()
        under_way = sum(run.queries for run in runs)
        fresh = sum(run.queries - self._first[run.plan.run_id] for run in runs) + self._done
        rate = fresh / max(self._shown - self._began, 1e-9)
        self._bars.update(
            self._total,  # type: ignore[arg-type]
            completed=self._done + under_way,
            note=f"{rate:,.0f} queries/s",
        )
        for run in runs[:VISIBLE_RUNS]:
            key = run.plan.run_id
            if key not in self._tasks:
                self._tasks[key] = self._bars.add_task(plain(run.plan.name), total=run.plan.budget, note="")
            best = f"best {run.best:.3f}" if np.isfinite(run.best) else "no value yet"
            self._bars.update(self._tasks[key], completed=run.queries, note=best)  # type: ignore[arg-type]

    def finished(self, run: UnderWay, record: RunRecord) -> None:
        """Remove the run's bar; say so if it failed."""
        self._done += record.queries
        if record.plan.run_id in self._tasks:
            self._bars.remove_task(self._tasks.pop(record.plan.run_id))  # type: ignore[arg-type]
        if record.failed and record.status != "skip":  # refusals are reported before anything runs
            self.note(f"{record.outcome}: {record.plan.name} {record.reason}")

    def note(self, message: str) -> None:
        """Print a line above the bars."""
        self._console.print(plain(message), markup=False, style="yellow")

    def end(self) -> None:
        """Stop drawing."""
        self._bars.stop()
