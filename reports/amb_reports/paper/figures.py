"""Figures 5 to 11 of the paper, drawn from our data in the paper's arrangement."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from amb.paper.layer_claims import activations_by_generator, distances_of
from amb.paper.studies import PaperData
from amb.reports.images import as_rgb
from amb.text import activation
from amb_reports.figures.colours import PAIRS
from amb_reports.figures.palette import lines

if TYPE_CHECKING:
    import pandas as pd

INSET = 1000
"""From this query on, the right panel of figure 5 shows the curves."""


def curves(data: PaperData) -> Figure:
    """Figure 5: the best activation so far of one unit by query, whole and from query 1,000 on; medians over seeds."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    runs = data.curves.runs[~data.curves.runs["failed"]]  # one that broke off would cut the curves of its solver
    start = min(INSET, data.effort.curve_budget // 4)
    styles = lines(list(dict.fromkeys(runs["solver"])))
    for solver, group in runs.groupby("solver", sort=False):
        traces = [
            np.fmax.accumulate(data.curves.traces[row.problem, row.solver, row.seed]) for row in group.itertuples()
        ]
        length = min(map(len, traces))
        median = np.median([trace[:length] for trace in traces], axis=0)
        queries = np.arange(1, length + 1)
        left.plot(queries, median, color=styles[str(solver)].colour, label=str(solver))
        right.plot(queries[start:], median[start:], color=styles[str(solver)].colour)
    left.set(xlabel="queries", ylabel="activation", title="whole search")
    right.set(xlabel="queries", title=f"from query {start:,} on")
    left.legend(frameon=False)
    return figure


def inputs_of_a_unit(data: PaperData, place: int) -> Figure | None:
    """Figures 6 and 7: the inputs of a unit of the first layer; rows are generators, columns solvers."""
    first = data.layers[0]
    units = data.atlas.request.units[first]
    if place >= len(units):
        return None
    rows = data.meis[(data.meis["layer"] == first) & (data.meis["unit"] == str(units[place]))]
    return _pictures(data, rows, f"unit {units[place]} of {first}")


def selective_unit(data: PaperData) -> Figure | None:
    """Figure 8: the inputs of the most selective searched unit of the third spiking layer, with activations."""
    if len(data.layers) < 3:
        return None
    rows = data.meis[data.meis["layer"] == data.layers[2]]
    if rows["selectivity"].notna().sum() == 0:
        return None
    top = rows.loc[rows["selectivity"].idxmax()]
    own = rows[rows["unit"] == top["unit"]]
    title = (
        f"unit {top['unit']} of {top['layer']}: prefers {top['natural_class']}, selectivity {top['selectivity']:.2f}"
    )
    return _pictures(data, own, title)


def entropies(data: PaperData) -> Figure | None:
    """Figure 9: distributions of the normalized entropy of class probabilities at the GAN's inputs, by layer."""
    generator = data.atlas.request.generators[0]
    best = data.meis[data.meis["best"] & (data.meis["generator"] == generator) & data.meis["entropy"].notna()]
    layers = [layer for layer in _every_second(data.layers) if (best["layer"] == layer).any()]
    if not layers:
        return None
    figure = Figure(figsize=(10, 1.7 * -(-len(layers) // 5)), layout="constrained")
    axes = figure.subplots(-(-len(layers) // 5), min(5, len(layers)), sharex=True, squeeze=False).ravel()
    for axis, layer in zip(axes, layers, strict=False):
        values = best[best["layer"] == layer]["entropy"].astype(float)
        axis.hist(values, bins=np.linspace(0, 1, 13), color=PAIRS[0][0], alpha=0.8)
        axis.set_title(layer, fontsize=9)
        axis.yaxis.get_major_locator().set_params(integer=True)
    for axis in axes[len(layers) :]:
        axis.axis("off")
    figure.supxlabel("normalized entropy", fontsize=9)
    figure.supylabel("units", fontsize=9)
    return figure


def distances(data: PaperData) -> Figure | None:
    """Figure 10: distances of a unit's inputs in the GAN's latent space; blue: first spiking layer, red: last."""
    first, last = (distances_of(data, layer) for layer in (data.layers[0], data.layers[-1]))
    if not len(first) or not len(last):
        return None
    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axis = figure.subplots()
    bins = np.histogram_bin_edges(np.concatenate([first, last]), 15).tolist()
    for values, colour, layer in ((first, PAIRS[0][0], data.layers[0]), (last, PAIRS[1][0], data.layers[-1])):
        axis.hist(values, bins=bins, color=colour, alpha=0.6, label=layer)
    random = float(data.random["latent"])
    axis.axvline(random, color="grey", linestyle="--", label="random pairs, mean")
    axis.set(xlabel="distance of latents", ylabel="units")
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(frameon=False, fontsize=8)
    return figure


def activations(data: PaperData) -> Figure | None:
    """Figure 11: activations by inputs, every second spiking layer; left the VQ-VAE's images, right the GAN's.

    Both show the best by the solvers that search both.
    """
    generators = data.atlas.request.generators
    layers = _every_second(data.layers)
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    axes = figure.subplots(1, len(generators), sharey=True, squeeze=False)[0]
    by_layer = [(layer, activations_by_generator(data, layer)) for layer in layers]
    for axis, number in zip(axes, reversed(range(len(generators))), strict=True):
        known = [(layer, values[number]) for layer, values in by_layer]
        known = [(layer, values) for layer, values in known if len(values)]
        if not known:
            return None
        axis.boxplot([values for _, values in known], widths=0.6, showfliers=True, flierprops={"markersize": 3})
        axis.set_xticks(range(1, len(known) + 1), [_short(layer) for layer, _ in known], rotation=45, ha="right")
        axis.set_title(generators[number])
    axes[0].set_ylabel("activation")
    return figure


def _pictures(data: PaperData, rows: "pd.DataFrame", title: str) -> Figure | None:
    """Inputs of one unit: rows are generators, columns solvers; each is the best of its seeds."""
    generators = [name for name in data.atlas.request.generators if (rows["generator"] == name).any()]
    solvers = [*dict.fromkeys(rows["solver"])]
    if not generators:
        return None
    figure = Figure(figsize=(1.5 * len(solvers), 1.75 * len(generators) + 0.4), layout="constrained")
    axes = figure.subplots(len(generators), len(solvers), squeeze=False)
    for y, generator in enumerate(generators):
        for x, solver in enumerate(solvers):
            axis: Axes = axes[y, x]
            axis.set_xticks([])
            axis.set_yticks([])
            own = rows[(rows["generator"] == generator) & (rows["solver"] == solver)]
            if own.empty:
                axis.axis("off")
                continue
            best = own.loc[[own["activation"].idxmax()]]
            axis.imshow(as_rgb(data.atlas.measures.found.images(best)[0]), interpolation="nearest")
            axis.set_xlabel(activation(best["activation"].iloc[0]), fontsize=8)
            if y == 0:
                axis.set_title(solver, fontsize=9)
            if (not axes[y, 0].axison and x == 1) or x == 0:
                axis.set_ylabel(generator, fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure


def _every_second(layers: tuple[str, ...]) -> list[str]:
    return [*layers[::2], *([layers[-1]] if len(layers) % 2 == 0 else [])] if len(layers) > 6 else list(layers)


def _short(layer: str) -> str:
    return layer.removeprefix("layer")
