"""How tables show their numbers: one place for the terminal, Markdown and LaTeX."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from amb.stats.metrics import Metric, find_metric
from amb.stats.question import DEFAULT, Question
from amb.stats.ranking import NOT_RANKED

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """One column of a printed table.

    Attributes:
        header: its title, in the reader's words.
        cell: a row of the table -> the text.
        unit: what the numbers are in, "" for pure numbers.
        align: side on which the text stands.
        optional: it is left out where nothing of it is known.
        priority: 1 must be seen; the highest numbers go first where a terminal is narrow.
    """

    header: str
    cell: Callable[[Row], str]
    unit: str = ""
    align: Literal["left", "right"] = "right"
    priority: int = 1
    optional: bool = False


def ranking_columns(question: Question = DEFAULT) -> dict[str, Column]:
    """Columns of the leaderboard, by the name of the column of `ranking` that each is made from."""
    measure, control = question.scoring, question.control
    against = "vs best" if control is None else f"vs {control}"
    columns = {
        "solver": Column("solver", _solver, align="left"),
        "letters": Column("group", lambda r: str(r["letters"]), align="left", priority=2),
        "score": Column(measure.label, lambda r: measure.show(r["score"])),
        "low": Column("95% interval", lambda r: show_interval(measure, r["low"], r["high"]), priority=2),
        "normalized": Column("normalized", lambda r: number(r["normalized"], 2), priority=3, optional=True),
        "mean_rank": Column("mean rank", lambda r: number(r["mean_rank"], 2)),
        "wins": Column("wins/ties/losses", _wins, priority=3),
        "p_holm": Column(f"Holm p {against}", lambda r: p_value(r["p_holm"], note=r["note"])),
        "ert": Column("expected queries to 75%", lambda r: expected_queries(r["ert"]), priority=2),
        "hit_share": Column("reached", lambda r: percent(r["hit_share"]), unit="% of runs", priority=3),
        "distinct_share": Column("distinct", lambda r: percent(r["distinct_share"]), unit="% of queries", priority=3),
        "solver_seconds": Column("solver s", lambda r: seconds(r["solver_seconds"]), unit="s a run", priority=2),
        "evaluation_seconds": Column(
            "evaluation s", lambda r: seconds(r["evaluation_seconds"]), unit="s a run", priority=3
        ),
        "failures": Column("failed", lambda r: f"{r['failures']}/{r['runs']}", unit="runs", priority=5),
    }
    if control is not None:
        del columns["letters"]
    return columns


PAIRS: Mapping[str, Column] = {
    "first": Column("solver", lambda r: str(r["first"]), align="left"),
    "second": Column("against", lambda r: str(r["second"]), align="left"),
    "wins": Column("wins/ties/losses", lambda r: f"{r['wins']}/{r['ties']}/{r['losses']}"),
    "difference": Column("difference (HL)", lambda r: _metric(r).show_difference(r["difference"])),
    "low": Column(
        "95% interval",
        lambda r: show_interval(_metric(r), r["low"], r["high"], difference=True),
        priority=2,
    ),
    "a12": Column("A12", lambda r: number(r["a12"], 2), priority=3),
    "p": Column("p", lambda r: p_value(r["p"]), priority=4),
    "p_holm": Column("Holm p", lambda r: p_value(r["p_holm"])),
    "first_better": Column("P(better)", lambda r: number(r["first_better"], 2), priority=3),
    "equal": Column("P(equal)", lambda r: number(r["equal"], 2), priority=3),
    "note": Column("note", lambda r: str(r["note"]), align="left"),
}


def shown(table: pd.DataFrame, columns: Mapping[str, Column] | None = None, *, priority: int = 9) -> pd.DataFrame:
    """The table as text under its readers' headers.

    Args:
        table: a ranking, or pairs.
        columns: `ranking_columns(...)` or `PAIRS`; those of a leaderboard by final activation if None.
        priority: columns of a higher number are left out.
    """
    chosen = ranking_columns() if columns is None else columns
    kept = {name: column for name, column in known(chosen, table).items() if column.priority <= priority}
    rows = table.to_dict("records")
    return pd.DataFrame({c.header: [c.cell(row) for row in rows] for c in kept.values()}, dtype=object)


def known(columns: Mapping[str, Column], table: pd.DataFrame) -> dict[str, Column]:
    """The columns that the table has something to say in."""
    return {n: c for n, c in columns.items() if n in table and not (c.optional and table[n].isna().all())}


def p_value(p: float, *, note: str = "") -> str:
    """A p-value to three decimals; a test that could not have succeeded says so instead."""
    if note in ("underpowered", "all tied"):
        return note
    if note == NOT_RANKED:
        return "not ranked"
    if pd.isna(p):
        return "–"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def number(value: float, digits: int) -> str:
    """A number to so many decimals, a dash for NaN."""
    return "–" if pd.isna(value) else f"{value:.{digits}f}"


def percent(share: float) -> str:
    """A share as a percentage, a dash for NaN."""
    return "–" if pd.isna(share) else f"{share:.0%}"


def expected_queries(value: float) -> str:
    """An expected runtime; infinite where no run arrived."""
    return "–" if pd.isna(value) else "never" if np.isinf(value) else f"{value:,.0f}"


def seconds(value: float) -> str:
    """Seconds to three digits, and no finer than a millisecond."""
    if pd.isna(value):
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.3f}" if value < 0.1 else f"{value:.3g}"


def show_interval(metric: Metric, low: float, high: float, *, difference: bool = False) -> str:
    """An interval in the metric's unit, its smaller end first."""
    if pd.isna(low) or pd.isna(high):
        return "–"
    if metric.logarithmic and not difference:
        low, high = high, low
    show = metric.show_difference if difference else metric.show
    return f"[{show(low)}, {show(high)}]"


def _solver(row: Row) -> str:
    return f"{row['solver']} (white-box)" if row.get("white_box") else str(row["solver"])


def _wins(row: Row) -> str:
    return "–" if row.get("white_box") else f"{row['wins']}/{row['ties']}/{row['losses']}"


def _metric(row: Row) -> Metric:
    return find_metric(row.get("metric", "final"))
