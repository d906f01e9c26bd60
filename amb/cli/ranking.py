"""The leaderboard of a comparison in a terminal, with as many columns as fit."""

from dataclasses import dataclass, replace
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from amb.study.untrusted import plain
from amb.text import plural

if TYPE_CHECKING:
    import pandas as pd

    from amb.comparison.result import Comparison
    from amb.stats import Analysis, Column

GAP = 2


@dataclass(frozen=True)
class _Rendered:
    column: "Column"
    header: str
    cells: list[str]
    width: int


def ranking_table(analysis: "Analysis", *, width: int) -> Table:
    """The ranking with as many columns as fit `width` characters; the least important are left out first."""
    rendered, _ = _fitting(analysis, width)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, GAP, 0, 0))
    for r in rendered:
        table.add_column(r.header, justify=r.column.align, vertical="bottom", no_wrap=True)
    for cells in zip(*(r.cells for r in rendered), strict=True):
        table.add_row(*(escape(plain(cell)) for cell in cells))
    return table


def left_out_line(analysis: "Analysis", *, width: int) -> str:
    """Which columns `ranking_table` leaves out for lack of width, and where they are; "" if it shows all."""
    _, left_out = _fitting(analysis, width)
    names = ", ".join(r.column.title.partition(",")[0] for r in left_out)  # without units
    return (
        f"Left out for lack of width: {names}. See them in a wider terminal, report.md or --json." if left_out else ""
    )


def _fitting(analysis: "Analysis", width: int) -> tuple[list["_Rendered"], list["_Rendered"]]:
    """The columns that fit, and those that do not, both in the ranking's order."""
    from amb.stats import known, ranking_columns

    columns = known(ranking_columns(analysis.question), analysis.table)
    rows = analysis.table.to_dict("records")
    if any(row["failures"] for row in rows):  # otherwise a broken solver looks like one that is ranked last
        columns = {**columns, "failures": replace(columns["failures"], priority=1)}
    every = [_render(column, [column.cell(row) for row in rows]) for column in columns.values()]
    shown = list(every)
    while len(shown) > 1 and sum(r.width + GAP for r in shown) - GAP > width:
        # Drop the last of the least important columns; in a tiny terminal even those of priority 1.
        least = max(shown[1:], key=lambda r: r.column.priority).column.priority
        shown.remove([r for r in shown[1:] if r.column.priority == least][-1])
    return shown, [r for r in every if r not in shown]


def scope_line(comparison: "Comparison") -> str:
    """What the table rests on: problems, generator-target pairs, seeds, budget, failures."""
    from amb.stats.equal import compared
    from amb.stats.formats import seeds_each
    from amb.stats.gap import ranges

    runs = comparison.runs
    suite = comparison.settings.get("suite")
    known = ranges(runs)["anchored"]
    anchored, problems = int(known.sum()), len(known)
    parts = [
        *([f"suite {suite}"] if suite else []),
        plural(problems, "problem")
        + (f" (normalized: {anchored} with reference points)" if 0 < anchored < problems else ""),
        plural(len(runs[["generator", "target"]].drop_duplicates()), "generator-target pair"),
        seeds_each(held if len(held := compared(runs)) else runs),
        f"{int(runs['budget'].max()):,} queries per run",
        f"{runs['failed'].sum():,} of {len(runs):,} runs failed{_by_solver(runs[runs['failed']])}",
        "timed alone" if bool(runs["timing"].all()) else "seconds are shares of joint batches",
    ]
    return "; ".join(parts)


def _by_solver(failed: "pd.DataFrame") -> str:
    counts = failed["solver"].value_counts()
    return f" ({', '.join(f'{solver} {count:,}' for solver, count in counts.items())})" if len(counts) else ""


def _render(column: "Column", cells: list[str]) -> _Rendered:
    """Wrap a column's header to the width of its cells; cells never wrap."""
    width = max(len(text) for text in [*cells, *column.title.split()])
    return _Rendered(column, "\n".join(wrap(column.title, width)), cells, width)
