"""The best activation so far against queries."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from amb.reports.contract import ReportData
from amb.stats.gap import gap_closed, ranges
from amb.stats.metrics import Traces, cells_of
from amb.stats.queries import best_so_far
from amb_reports.captions import scale_and_scope
from amb_reports.figures.drawn import Drawn
from amb_reports.figures.palette import INK, Line, explain, label_ends, lines, log_queries, tidy

ALL = "all problems"
MOST_PANELS = 12


class Convergence(Drawn):
    """`convergence.png` and `.svg`: normalized best-so-far activation, over all problems and layer by layer."""

    name = "convergence"

    def figures(self, data: ReportData) -> dict[str, Figure]:
        runs, traces = data.common, data.traces
        if runs.empty:
            return {}
        table = convergence_table(runs, traces, bounds=data.bounds)
        return {self.name: draw_convergence(table, scale_and_scope(runs, traces))}


def convergence_table(
    runs: pd.DataFrame, traces: Traces, *, bounds: pd.DataFrame | None = None, points: int = 100
) -> pd.DataFrame:
    """Quartiles over runs of the normalized best-so-far activation, at queries evenly spaced on a logarithmic axis.

    Normalized activation is the share of the gap between chance and the best known value that is closed (see
    `amb.stats.gap`). A run that ended early keeps its last value. Values below chance count as 0, values above the best
    known as 1.

    Returns:
        panel (`ALL`, or target and layer), solver, query, low, median, high (quartiles), runs.
    """
    longest = int(runs["budget"].max())
    queries = np.unique(np.rint(np.geomspace(1, longest, points)).astype(int))
    bounds = ranges(runs, traces) if bounds is None else bounds
    floors = bounds["floor"].to_dict()
    reached = np.full((len(runs), len(queries)), np.nan)
    for i, cell in enumerate(cells_of(runs)):
        floor, values = floors[cell[0]], traces.get(cell, np.empty(0))
        curve = best_so_far(values, floor=floor) if len(values) else np.array([floor])
        reached[i] = curve[np.minimum(queries, len(curve)) - 1]
    start, best = (bounds[end].loc[runs["problem"]].to_numpy()[:, None] for end in ("start", "best"))
    curves = np.where(best > start, np.clip(gap_closed(reached, start, best), 0, 1), 0.0)
    panels = _panels(runs)
    rows = []
    for panel in [ALL, *panels.unique()]:
        for solver in runs["solver"].unique():
            chosen = ((panels == panel) | (panel == ALL)) & (runs["solver"] == solver)
            if chosen.any():
                low, median, high = np.quantile(curves[chosen.to_numpy()], [0.25, 0.5, 0.75], axis=0)
                content = {"panel": panel, "solver": solver, "query": queries, "low": low, "median": median}
                rows.append(pd.DataFrame({**content, "high": high, "runs": int(chosen.sum())}))
    return pd.concat(rows, ignore_index=True)


def draw_convergence(table: pd.DataFrame, caption: str) -> Figure:
    """The table as a large panel for all problems and, if there are several layers, a small panel for each."""
    small = [panel for panel in dict.fromkeys(table["panel"]) if panel != ALL]
    small = small if 1 < len(small) <= MOST_PANELS else []
    columns = 0 if not small else 1 if len(small) <= 2 else 2 if len(small) <= 6 else 3
    rows = -(-len(small) // columns) if small else 1
    figure = Figure(
        figsize=(7.2 + 2.3 * columns, max(4.4, 1.55 * rows + 0.9)),
        layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06),
    )
    grid = figure.add_gridspec(rows, 1 + columns, width_ratios=[6.0, *[2.2] * columns])
    main = figure.add_subplot(grid[:, 0])
    styles = lines(list(dict.fromkeys(table["solver"])))
    _draw_panel(main, table[table["panel"] == ALL], styles)
    last = table[table["panel"] == ALL].groupby("solver", sort=False)["median"].last()
    label_ends(main, last, float(table["query"].max()), styles)
    main.set_xlabel("queries", color=INK, fontsize=10)
    main.set_ylabel("normalized activation, best so far", color=INK, fontsize=10)
    for i, panel in enumerate(small):
        axes = figure.add_subplot(grid[i // columns, 1 + i % columns], sharex=main, sharey=main)
        _draw_panel(axes, table[table["panel"] == panel], styles)
        axes.set_title(panel, fontsize=8.5, color=INK, loc="left", pad=3)
        axes.tick_params(labelleft=i % columns == 0, labelbottom=i + columns >= len(small))
    note = f"Lines: median over runs; bands: middle half of the runs. {caption}."
    explain(figure, "Best activation so far", note)
    return figure


def _panels(runs: pd.DataFrame) -> pd.Series:
    """The layer, with the target if there are several; the target alone if there are too many layers."""
    targets = runs["generator"] + " → " + runs["target"] if runs["generator"].nunique() > 1 else runs["target"]
    if runs["target"].nunique() == 1 and runs["generator"].nunique() == 1:
        return runs["layer"].astype(str)
    both = targets + " · " + runs["layer"].astype(str)
    return both if both.nunique() <= MOST_PANELS else targets


def _draw_panel(axes: Axes, table: pd.DataFrame, styles: dict[str, Line]) -> None:
    for solver, part in table.groupby("solver", sort=False):
        style = styles[str(solver)]
        axes.fill_between(
            part["query"], part["low"], part["high"], color=style.colour, alpha=0.13, linewidth=0, step="post"
        )
        axes.plot(
            part["query"],
            part["median"],
            color=style.colour,
            linestyle=style.dash,
            linewidth=1.8,
            drawstyle="steps-post",
        )
    log_queries(axes, int(table["query"].max()))
    axes.set_ylim(0, 1.02)
    tidy(axes)
