"""The leaderboard of a comparison in a terminal, as wide as there is room."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

if TYPE_CHECKING:
    from amb.comparison import Comparison
    from amb.stats import Column

NARROWEST = 2  # columns up to this priority stay, and their headers wrap, however narrow the terminal


def ranking_table(comparison: "Comparison", *, console: Console) -> Table:
    """The ranking with as many columns as fit the console, the least important left out first."""
    from amb.stats import ranking_columns

    metric, control = comparison.settings["metric"], comparison.settings["control"]
    columns = ranking_columns(str(metric), control=None if control is None else str(control))
    most = max(column.priority for column in columns.values())
    for priority in range(most, 0, -1):
        kept = {name: column for name, column in columns.items() if column.priority <= priority}
        table = _draw(comparison, kept)
        if priority == 1 or Measurement.get(console, console.options, table).minimum <= console.width:
            break
    return table


def scope_line(comparison: "Comparison") -> str:
    """How much the table rests on: problems, clusters, seeds, budget, failures."""
    runs = comparison.runs
    failed = int((~runs["status"].isin(["ok", "target"])).sum())
    clusters = len(runs[["generator", "target"]].drop_duplicates())
    suite = comparison.settings.get("suite")
    parts = [
        *([f"suite {suite}"] if suite else []),
        f"{runs['problem'].nunique()} problems",
        f"{clusters} generator-target pair{'s' if clusters != 1 else ''}",
        f"{runs['seed'].nunique()} seeds",
        f"{int(runs['budget'].max()):,} queries a run",
        f"{failed} of {len(runs)} runs failed",
        "timed alone" if bool(runs["timing"].all()) else "seconds are shares of joint batches",
    ]
    return "; ".join(parts)


def _draw(comparison: "Comparison", columns: "dict[str, Column]") -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns.values():
        header = f"{column.header}, {column.unit}" if column.unit else column.header
        table.add_column(header, justify=column.align, vertical="bottom", no_wrap=False)
    for row in comparison.ranking.to_dict("records"):
        # Cells never wrap; only headers do.
        table.add_row(*(column.cell(row).replace(" ", "\N{NO-BREAK SPACE}") for column in columns.values()))
    return table
