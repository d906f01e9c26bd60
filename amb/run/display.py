"""Displays of a study's progress: a table that improves in place, in a terminal or a notebook, or lines in a log."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from amb.compiling import announce_to
from amb.contracts.reference import Reference
from amb.errors import AmbError, SpecError
from amb.run.progress import LOADING, NoProgress, Progress, UnderWay
from amb.run.standings import Standing, Standings
from amb.study.runs import RunPlan, RunRecord
from amb.study.untrusted import plain
from amb.text import activation, duration, plural

if TYPE_CHECKING:
    from rich.console import Console, Group

REFRESH_SECONDS = 0.5
LINE_SECONDS = 10.0

COLUMNS = ("solver", "runs", "queries", "best", "score")
"""Mean best activation so far over a solver's runs, and mean normalized score: 0 is chance, 1 the best known value."""


def display(console: "Console") -> Progress:
    """The display that fits a console: a live table in a terminal, lines every ten seconds in a pipe."""
    return TerminalTable(console) if _is_live(console) else Lines(console)


def receiver(progress: Progress | bool | None) -> Progress:
    """Who receives the events of a study: the default display for None and True, nobody for False.

    Raises:
        SpecError: it is neither of these nor a `Progress`.
    """
    if progress is None or progress is True:
        return default_display()
    if progress is False:
        return NoProgress()
    if not isinstance(progress, Progress):
        raise SpecError(f"progress must be True, False, None or an amb.run.progress.Progress, got {progress!r:.80}")
    return progress


def default_display() -> Progress:
    """The display for Python: a live table in a notebook or a terminal; nothing elsewhere."""
    if _in_notebook():
        return NotebookTable()
    from rich.console import Console

    console = Console(stderr=True)
    return TerminalTable(console) if _is_live(console) else Progress()


def _is_live(console: "Console") -> bool:
    """Whether what is drawn can be replaced in place."""
    return console.is_terminal and not console.is_dumb_terminal


class _Display(Progress):
    """Keeps the standings and draws them a few times a second; subclasses say how."""

    refresh_seconds = REFRESH_SECONDS

    def __init__(self) -> None:
        self.standings = Standings(normalized)
        self._drawn = -np.inf
        self._preparing = ""
        self._failed: Counter[tuple[str, str]] = Counter()

    def prepare(self, message: str = LOADING) -> None:
        if message != self._preparing:  # a command says it before it imports what says it again
            self._preparing = message
            self._say(message)
            announce_to(self._say)

    def begin(self, planned: int, waiting: Sequence[RunPlan]) -> None:
        self.standings.begin(waiting)
        if not waiting:
            self._say(f"The study already holds {'all ' if planned > 1 else ''}{plural(planned, 'run')}.")
            return
        reused = planned - len(waiting)
        queries = sum(plan.budget for plan in waiting)
        self._say(
            f"{plural(len(waiting), 'run')}, {plural(queries, 'query', 'queries')}"
            + (f" ({plural(reused, 'run')} reused)" if reused else "")
        )
        self._drawn = monotonic()
        self._start()

    def update(self, runs: Sequence[UnderWay]) -> None:
        self.standings.update(runs)
        if monotonic() - self._drawn >= self.refresh_seconds:
            self._draw()
            self._drawn = monotonic()

    def finished(self, run: UnderWay, record: RunRecord) -> None:
        self.standings.finished(run, record)
        if record.failed and record.status != "skip":  # refusals are reported before anything runs
            kind = record.plan.solver, f"{record.outcome}: {record.reason}"
            self._failed[kind] += 1
            if self._failed[kind] == 1:
                self.note(f"{record.outcome}: {record.plan.name} {record.reason}")

    def skipped(self, record: RunRecord) -> None:
        self.standings.skipped(record)

    def note(self, message: str) -> None:
        self._say(message, warning=True)

    def end(self) -> None:
        announce_to(None)
        for (solver, _), count in self._failed.items():
            if count > 1:
                self.note(f"{plural(count - 1, 'more run')} of {solver} ended so; `amb check` shows where solvers fail")
        self._failed.clear()

    def _say(self, message: str, *, warning: bool = False) -> None:
        """One message for the user."""
        raise NotImplementedError

    def _start(self) -> None:
        """The first query follows."""

    def _draw(self) -> None:
        """Show the standings."""
        raise NotImplementedError


class TerminalTable(_Display):
    """One line per solver and one for the whole study, redrawn in place; it disappears at the end."""

    def __init__(self, console: "Console") -> None:
        from rich.live import Live

        super().__init__()
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def end(self) -> None:
        super().end()
        self._live.stop()

    def _say(self, message: str, *, warning: bool = False) -> None:
        self._console.print(plain(message), markup=False, highlight=False, style="yellow" if warning else "")

    def _start(self) -> None:
        self._live.start()
        self._draw()

    def _draw(self) -> None:
        self._live.update(self._table(), refresh=True)

    def _table(self) -> "Group":
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in COLUMNS:
            table.add_column(column, justify="left" if column == "solver" else "right", no_wrap=True)
        for one in self.standings.solvers:
            table.add_row(*(Text(cell) for cell in cells(one)))
        return Group(table, Text(overall(self.standings), style="dim"))


class Lines(_Display):
    """A line every ten seconds, for log files and dumb terminals."""

    refresh_seconds = LINE_SECONDS

    def __init__(self, console: "Console") -> None:
        super().__init__()
        self._console = console

    def _say(self, message: str, *, warning: bool = False) -> None:
        self._console.print(plain(message), markup=False, highlight=False, soft_wrap=True)

    def _draw(self) -> None:
        scores = (f"{one.solver} {_number(one.score, one.best)}" for one in self.standings.solvers)
        self._say(f"{overall(self.standings)}; score so far: {', '.join(scores)}")


class NotebookTable(_Display):
    """The table as HTML below the cell, replaced in place."""

    def __init__(self) -> None:
        super().__init__()
        self._handle: Any = None
        self._messages: list[str] = []

    def end(self) -> None:
        super().end()
        if self._handle is not None:
            self._draw()

    def _say(self, message: str, *, warning: bool = False) -> None:
        self._messages.append(plain(message))
        self._draw()

    def _start(self) -> None:
        self._draw()

    def _draw(self) -> None:
        from html import escape

        from IPython.display import HTML, display

        lines = [f"<div>{escape(message)}</div>" for message in self._messages[-5:]]
        if solvers := self.standings.solvers:
            head = "".join(f"<th>{name}</th>" for name in COLUMNS)
            rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells(one))}</tr>" for one in solvers)
            lines.append(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
            lines.append(f"<div>{escape(overall(self.standings))}</div>")
        content = HTML("".join(lines))
        if self._handle is None:
            self._handle = display(content, display_id=True)
        else:
            self._handle.update(content)


def cells(one: Standing) -> list[str]:
    """A solver's row, in the order of `COLUMNS`."""
    failed = f" ({one.failed} failed)" if one.failed else ""
    return [
        plain(one.solver),
        f"{one.ended}/{one.runs}{failed}",
        f"{one.queries:,}",
        activation(one.best),
        "–" if np.isnan(one.score) else f"{one.score:.2f}",
    ]


def overall(standings: Standings) -> str:
    """The whole study in one line: share of the queries, rate, time left."""
    solvers = standings.solvers
    done, total = sum(one.queries for one in solvers), max(1, sum(one.budget for one in solvers))
    left = standings.seconds_left
    time = "" if np.isnan(left) or standings.elapsed < 2 else f", about {duration(left)} left"
    return f"{done / total:.0%} of {plural(total, 'query', 'queries')}, {standings.rate:,.0f} queries/s{time}"


def normalized(plan: RunPlan, value: float) -> float:
    """The share of the gap between chance and the best known value that a value closes; NaN if they are unknown."""
    point = _point(plan.problem, plan.fingerprint)
    return np.nan if point is None else float((value - point.chance) / (point.best - point.chance))


@cache
def _point(problem: str, fingerprint: str) -> Reference | None:
    from amb.references.lookup import reference

    try:
        point = reference(problem, fingerprint=fingerprint)
    except AmbError:  # a damaged file of reference points is reported where scores matter
        return None
    return point if point is not None and point.best > point.chance else None


def _number(score: float, best: float) -> str:
    return activation(best) if np.isnan(best) or np.isnan(score) else f"{score:.2f}"


def _in_notebook() -> bool:
    """Whether this runs in a Jupyter kernel; IPython is not imported."""
    import sys

    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and "IPKernelApp" in shell.config
