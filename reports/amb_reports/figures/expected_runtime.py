"""The cost of a threshold: expected runtimes with intervals, as a table and as a figure."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from amb.reports.contract import ReportData
from amb.stats.equal import equal_seeds
from amb.stats.runtimes import expected_runtimes, pooled_runtimes
from amb.study.durable import write_whole
from amb.study.interchange import csv_text
from amb.study.own_files import Form, table
from amb_reports.captions import scale_and_scope
from amb_reports.figures.drawn import Drawn
from amb_reports.figures.palette import INK, explain, label_ends, lines, tidy


class ExpectedRuntime(Drawn):
    """`ert.csv` (one row per problem, solver and threshold) and `ert.png`, `.svg` (all problems, with intervals)."""

    name = "ert"

    def figures(self, data: ReportData) -> dict[str, Figure]:
        runs, traces = data.common, data.traces
        pooled = pd.DataFrame() if runs.empty else pooled_runtimes(runs, traces, bounds=data.bounds)
        return {} if pooled.empty else {self.name: draw_runtimes(pooled, scale_and_scope(runs, traces))}

    @classmethod
    def own_files(cls) -> Mapping[str, Form]:
        """The figure and its table."""
        return {**super().own_files(), "ert.csv": table("problem", "solver", "fraction", "ert")}

    def write(self, data: ReportData, folder: Path) -> list[Path]:
        """Save the figure and its table."""
        paths = super().write(data, folder)
        if paths:
            paths.append(folder / "ert.csv")
            costs = expected_runtimes(equal_seeds(data.competing), data.traces, bounds=data.bounds)
            write_whole(paths[-1], csv_text(costs), error=None)
        return paths


def draw_runtimes(table: pd.DataFrame, caption: str) -> Figure:
    """The table of `pooled_runtimes` as one panel; a line ends if no run reached the next threshold."""
    figure = Figure(figsize=(8.2, 4.8), layout="constrained")
    axes = figure.add_subplot()
    styles = lines(list(dict.fromkeys(table["solver"])))
    finite = table[np.isfinite(table["ert"])]
    top = float(finite["ert"].max()) * 2 if len(finite) else 1.0
    for solver, part in finite.groupby("solver", sort=False):
        style = styles[str(solver)]
        share = part["fraction"]
        axes.fill_between(share, part["low"], part["high"].clip(upper=top), color=style.colour, alpha=0.13, linewidth=0)
        axes.plot(share, part["ert"], color=style.colour, linestyle=style.dash)
        if len(part) < len(table[table["solver"] == solver]):
            axes.plot(share.iloc[-1], part["ert"].iloc[-1], "x", color=style.colour, clip_on=False, zorder=5)
    axes.set_yscale("log")
    least = float(finite["low"].fillna(finite["ert"]).min()) if len(finite) else 1.0  # one problem has no interval
    axes.set_ylim(max(least * 0.8, 0.8), top)
    axes.set_xlim(0, 1)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    tidy(axes)
    if len(finite):
        ends = finite.groupby("solver", sort=False).last()
        label_ends(axes, ends["ert"], ends["fraction"], styles)
    axes.set_xlabel("threshold (normalized activation)", color=INK, fontsize=10)
    axes.set_ylabel("expected queries", color=INK, fontsize=10)
    note = (
        "Expected runtime: queries of all runs divided by the number of runs that reached the threshold; ×: no run got "
        f"further; bands: 95% intervals over problems. {caption}."
    )
    explain(figure, "Expected queries to a threshold", note)
    return figure
