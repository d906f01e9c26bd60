"""Every solver on every problem, at a glance."""

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from amb.reports.contract import ReportData
from amb.stats.gap import gap_closed_on, ranges
from amb.stats.metrics import Traces
from amb.text import activation
from amb_reports.captions import scale_and_scope, short_names
from amb_reports.figures.drawn import Drawn
from amb_reports.figures.palette import INK, MUTED, explain

# One hue from light to dark can be read in grey and with any colour vision.
SCALE = LinearSegmentedColormap.from_list("amb", ["#f7fbff", "#9ecae1", "#0072B2", "#08306b"])


class Heatmap(Drawn):
    """`heatmap.png` and `.svg`: median activation, coloured by its normalized value."""

    name = "heatmap"

    def figures(self, data: ReportData) -> dict[str, Figure]:
        runs, traces = data.competing, data.traces
        table = heatmap_table(runs, traces, list(data.analysis.ranking["solver"]))
        return {self.name: draw_heatmap(table, scale_and_scope(runs, traces))}


def heatmap_table(runs: pd.DataFrame, traces: Traces, solvers: list[str]) -> pd.DataFrame:
    """Median final activation of each problem and solver.

    Returns:
        problem, label, solver, activation (failed runs at the floor), share (normalized activation).
    """
    bounds = ranges(runs, traces)
    floors = runs["problem"].map(bounds["floor"])
    filled = runs.assign(activation=runs["final"].mask(runs["failed"], floors))
    table = filled.groupby(["problem", "solver"], sort=False)["activation"].median().reset_index()
    table["share"] = gap_closed_on(table["activation"], table["problem"], bounds)
    table["label"] = table["problem"].map(short_names(runs))
    table["solver"] = pd.Categorical(table["solver"], solvers, ordered=True)
    return table.sort_values(["solver"], kind="stable", ignore_index=True)


def draw_heatmap(table: pd.DataFrame, caption: str) -> Figure:
    """The table as a grid: problems down, solvers across, the activation written into each cell."""
    problems, solvers = list(dict.fromkeys(table["problem"])), list(table["solver"].cat.categories)
    shares = table.pivot(index="problem", columns="solver", values="share").reindex(problems)[solvers]
    values = table.pivot(index="problem", columns="solver", values="activation").reindex(problems)[solvers]
    labels = table.drop_duplicates("problem").set_index("problem")["label"]
    figure = Figure(figsize=(2.6 + 1.0 * len(solvers), 1.7 + 0.3 * len(problems)), layout="constrained")
    axes = figure.add_subplot()
    # From the lowest share, rounded down: otherwise all good solvers would be equally dark.
    least = min(0.9, max(0.0, np.floor(10 * np.nanmin(shares.to_numpy(dtype=float))) / 10))
    image = axes.imshow(shares.to_numpy(dtype=float), cmap=SCALE, vmin=least, vmax=1, aspect="auto")
    best = values.max(axis=1).to_numpy()
    for (i, j), value in np.ndenumerate(values.to_numpy(dtype=float)):
        if np.isfinite(value):
            colour = "white" if (shares.iat[i, j] - least) / (1 - least) > 0.55 else INK
            weight = "bold" if value >= best[i] - 1e-12 else "normal"
            style = {"fontsize": 8, "color": colour, "weight": weight, "in_layout": False}  # cells are within the axes
            axes.text(j, i, activation(value), ha="center", va="center", **style)  # type: ignore[arg-type]
    axes.set_xticks(range(len(solvers)), solvers, fontsize=8.5, color=INK, rotation=25, ha="left")
    axes.set_yticks(range(len(problems)), [labels[p] for p in problems], fontsize=8, color=INK)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=min(1.0, 3.5 / figure.get_figheight()), pad=0.02)
    bar.ax.tick_params(labelsize=7, colors=MUTED, length=2)
    bar.set_label("normalized activation", fontsize=8, color=MUTED)
    bar.outline.set_visible(False)
    explain(figure, "Median activation by problem", f"Bold: the best on its problem. {caption}.")
    return figure
