"""Performance profile: the share of runs that end at or above each normalized activation."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from amb.reports.contract import ReportData
from amb.stats.gap import gap_closed_on, ranges
from amb.stats.metrics import Traces
from amb_reports.captions import scale_and_scope
from amb_reports.figures.drawn import Drawn
from amb_reports.figures.palette import INK, explain, label_ends, lines, tidy


class Profile(Drawn):
    """`profile.png` and `.svg`: share of runs that end at or above each normalized activation."""

    name = "profile"

    def figures(self, data: ReportData) -> dict[str, Figure]:
        runs, traces = data.common, data.traces
        if runs.empty:
            return {}
        table = profile_table(runs, traces, bounds=data.bounds)
        return {self.name: draw_profile(table, scale_and_scope(runs, traces))}


def profile_table(
    runs: pd.DataFrame, traces: Traces, *, bounds: pd.DataFrame | None = None, points: int = 201
) -> pd.DataFrame:
    """Share of runs whose normalized final activation is at least a fraction (see `amb.stats.gap`).

    Every problem has the same weight; a failed run reaches no fraction.

    Returns:
        solver, fraction (1 down to 0), share.
    """
    bounds = ranges(runs, traces) if bounds is None else bounds
    share = gap_closed_on(runs["final"], runs["problem"], bounds)
    score = share.mask(runs["failed"], -np.inf).to_numpy()
    fractions = np.linspace(1, 0, points)
    parts = []
    for solver in runs["solver"].unique():
        own = (runs["solver"] == solver).to_numpy()
        reached = pd.DataFrame(score[own, None] >= fractions - 1e-12).groupby(runs["problem"].to_numpy()[own])
        share = reached.mean().mean().to_numpy()
        parts.append(pd.DataFrame({"solver": solver, "fraction": fractions, "share": share}))
    return pd.concat(parts, ignore_index=True)


def draw_profile(table: pd.DataFrame, caption: str) -> Figure:
    """The table as one panel, the strictest fraction on the left; higher is better."""
    figure = Figure(figsize=(8.2, 4.8), layout="constrained")
    axes = figure.add_subplot()
    styles = lines(list(dict.fromkeys(table["solver"])))
    for solver, part in table.groupby("solver", sort=False):
        style = styles[str(solver)]
        axes.step(part["fraction"], part["share"], where="post", color=style.colour, linestyle=style.dash)
    # All lines are flat beyond the last rise.
    full = table["share"] >= table.groupby("solver")["share"].transform("max")
    lowest = float(table[full].groupby("solver")["fraction"].max().min())
    axes.set_xlim(1, max(0.0, min(lowest - 0.03, 0.9)))
    axes.set_ylim(0, 1.02)
    tidy(axes)
    ends = table[table["fraction"] >= axes.get_xlim()[1]].groupby("solver", sort=False)["share"].last()
    label_ends(axes, ends, axes.get_xlim()[1], styles)
    axes.set_xlabel("normalized activation, at least", color=INK, fontsize=10)
    axes.set_ylabel("share of runs", color=INK, fontsize=10)
    title = "Final activation of the runs"
    note = f"Final noise-free activation; every problem has the same weight. {caption}."
    explain(figure, title, note)
    return figure
