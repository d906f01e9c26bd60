"""The columns of the ranking and of the pairs, as data: terminal, files and page all draw from these two lists.

A statistic that is an aggregate of a quantity in the runs table needs nothing but its entry here: `amb.stats.ranking`
computes it, every table shows it, and the page recomputes it for filtered views.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import pandas as pd

from amb.stats.aggregates import Aggregate
from amb.stats.formats import Format, Style, show
from amb.stats.metrics import find_metric
from amb.stats.question import DEFAULT, Question
from amb.stats.sentences import fill

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: name of the column, and of the first field unless `fields` says otherwise.
        header: title; {metric} stands for the metric's label, {reference} for the solver compared with.
        format: how its values become text.
        help: what the column shows, in a sentence; the page shows it under the pointer.
        fields: the table's columns that the format reads; by default the one of the same name.
        unit: unit of the numbers, "" for pure numbers.
        align: side on which the text stands.
        priority: 1 must be seen; in a narrow terminal the highest numbers go first.
        present: "always", "where known" (left out if every value is unknown or empty) or "where incomplete" (left out
            if the first field equals the second in every row).
        digits: decimals of the format "number".
        descending: the page's first click sorts the largest value to the top.
        aggregate: how the value comes from the runs table; None: `amb.stats.ranking` or `compare_pairs` computes it.
        metric: name of the metric that scores are shown in.
    """

    name: str
    header: str
    format: Format
    help: str
    fields: tuple[str, ...] = ()
    unit: str = ""
    align: Literal["left", "right"] = "right"
    priority: int = 1
    present: Literal["always", "where known", "where incomplete"] = "always"
    digits: int = 0
    descending: bool = False
    aggregate: Aggregate | None = None
    metric: str = "final"

    def __post_init__(self) -> None:
        if not self.fields:
            object.__setattr__(self, "fields", (self.name,))

    @property
    def title(self) -> str:
        """Header and unit."""
        return f"{self.header}, {self.unit}" if self.unit else self.header

    def cell(self, row: Row) -> str:
        """A row's text."""
        style = Style(self.digits, find_metric(self.metric).logarithmic)
        return show(self.format, [row.get(field) for field in self.fields], style)


RANKING: Sequence[Column] = (
    Column(
        "solver", "solver", "solver", "The solver's spec: its name and the options that differ from their defaults.",
        fields=("solver", "solver_class"), align="left",
    ),
    Column(
        "letters", "group", "text", "Solvers that share a letter are not shown to differ.",
        align="left", priority=2, present="where known",
    ),
    Column(
        "covered", "problems", "count",
        "Problems that the solver has run on, of all. Only those that every solver has run on are compared.",
        fields=("covered", "asked"), present="where incomplete",
    ),
    Column(
        "score", "{metric}", "score", "Median over problems of the median over seeds.", descending=True,
    ),
    Column(
        "low", "95% interval", "score interval",
        "Of the median over problems like these: order statistics, interpolated; none for fewer than six.",
        fields=("low", "high"), priority=2, present="where known",
    ),
    Column(
        "normalized", "normalized", "number",
        "Final activation between chance (0) and the best known value (1): median over seeds, then over problems. "
        "A failed run counts as chance.",
        priority=3, present="where known", digits=2, descending=True,
        aggregate=Aggregate("median", ("normalized",), failed=0.0, anchored=True),
    ),
    Column(
        "difference", "difference from {reference}", "difference with interval",
        "Paired: Hodges–Lehmann estimate of the differences on the same problems, and the 95% interval that belongs to "
        "the test. Intervals of two medians may overlap although the solvers differ on nearly every problem.",
        fields=("difference", "difference_low", "difference_high"), priority=4, present="where known", descending=True,
    ),
    Column("mean_rank", "mean rank", "number", "Mean over problems of the solver's rank, 1 is best.", digits=2),
    Column(
        "wins", "wins/ties/losses", "tally",
        "Problems won, tied and lost against the control, or added up over all others.",
        fields=("wins", "ties", "losses"), priority=3, descending=True,
    ),
    Column(
        "p_holm", "Holm p vs {reference}", "p-value",
        "Exact signed-rank test over problems, Holm-corrected; underpowered: no outcome could have been significant.",
        fields=("p_holm", "note"),
    ),
    Column(
        "ert", "expected queries to 75%", "expected queries",
        "Queries of all runs until they closed 75% of the problem's gap, divided by the number of runs that did.",
        priority=2, aggregate=Aggregate("ratio", ("spent",), per="reached"),
    ),
    Column(
        "hit_share", "reached 75%", "percent",
        "Runs that closed 75% of the problem's gap.",
        unit="% of runs", priority=3, descending=True, aggregate=Aggregate("mean", ("reached",)),
    ),
    Column(
        "distinct_share", "distinct", "percent", "Queries whose candidate the run had not asked for before.",
        unit="% of queries", priority=3, present="where known", descending=True,
        aggregate=Aggregate("mean", ("distinct",), per="queries", started_only=True),
    ),
    Column(
        "solver_seconds", "solver time", "seconds", "Mean time that the solver itself took.",
        unit="s per run", priority=2, aggregate=Aggregate("mean", ("solver_seconds",), started_only=True),
    ),
    Column(
        "evaluation_seconds", "evaluation time", "seconds", "Mean time that generator and target took.",
        unit="s per run", priority=3,
        aggregate=Aggregate("mean", ("generator_seconds", "target_seconds"), started_only=True),
    ),
    Column(
        "failures", "failed", "count", "Runs that did not finish or recommended nothing, of all.",
        fields=("failures", "runs"), unit="runs", priority=5,
    ),
)  # fmt: skip
"""The ranking: one row per solver."""

PAIRS: Sequence[Column] = (
    Column("first", "solver", "text", "The solver with the better mean rank.", align="left"),
    Column("second", "against", "text", "The solver that it is compared with.", align="left"),
    Column(
        "wins", "wins/ties/losses", "tally", "Problems that the first solver won, tied and lost.",
        fields=("wins", "ties", "losses"), descending=True,
    ),
    Column("difference", "difference (HL)", "difference", "Hodges–Lehmann estimate over problems.", descending=True),
    Column(
        "low", "95% interval", "difference interval",
        "The differences that the signed-rank test does not reject at 5%; none for fewer than six.",
        fields=("low", "high"), priority=2, present="where known",
    ),
    Column(
        "a12", "A12", "number", "Chance that a run of the first beats one of the second on the same problem.",
        priority=3, digits=2, descending=True,
    ),
    Column("p", "p", "p-value", "Exact Wilcoxon signed-rank test over problems (Pratt), uncorrected.", priority=4),
    Column("p_holm", "Holm p", "p-value", "The same, Holm-corrected over all pairs of this table."),
    Column(
        "first_better", "P(better)", "number", "Bayesian signed-rank test: probability that the first is better.",
        priority=3, present="where known", digits=2, descending=True,
    ),
    Column(
        "equal", "P(equal)", "number", "Bayesian signed-rank test: probability that the two are practically equal.",
        priority=3, present="where known", digits=2, descending=True,
    ),
    Column(
        "note", "note", "text", "Underpowered: no outcome could have been significant.",
        align="left", present="where known",
    ),
)  # fmt: skip
"""The pairs: one row per two solvers."""


def ranking_columns(question: Question = DEFAULT) -> dict[str, Column]:
    """Columns of the ranking by name, with their headers filled in."""
    return _filled(RANKING, question)


def pair_columns(question: Question = DEFAULT) -> dict[str, Column]:
    """Columns of the pairs by name."""
    return _filled(PAIRS, question)


def declared(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """The columns as plain data, for the page."""
    return [asdict(column) for column in columns]


def shown(table: pd.DataFrame, columns: Mapping[str, Column] | None = None, *, priority: int = 9) -> pd.DataFrame:
    """The table as text, under its columns' titles.

    Args:
        table: a ranking, or pairs.
        columns: `ranking_columns(...)` or `pair_columns(...)`; by default those of a ranking by final activation.
        priority: columns of a higher number are left out.
    """
    chosen = ranking_columns() if columns is None else columns
    displayed = {name: column for name, column in known(chosen, table).items() if column.priority <= priority}
    rows = table.to_dict("records")
    return pd.DataFrame({c.title: [c.cell(row) for row in rows] for c in displayed.values()}, dtype=object)


def known(columns: Mapping[str, Column], table: pd.DataFrame) -> dict[str, Column]:
    """The columns that carry information in this table."""
    return {name: column for name, column in columns.items() if _says(column, table)}


def _says(column: Column, table: pd.DataFrame) -> bool:
    first, *rest = column.fields
    if first not in table:
        return False
    if column.present == "where known":
        return bool((table[first].notna() & (table[first] != "")).any())
    return column.present == "always" or bool((table[first] != table[rest[0]]).any())


def _filled(columns: Sequence[Column], question: Question) -> dict[str, Column]:
    words = {"metric": question.scoring.label, "reference": question.control or "best"}
    return {c.name: replace(c, header=fill(c.header, **words), metric=question.metric) for c in columns}
