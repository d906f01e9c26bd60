"""Sections 4.2 to 4.4: the two generators, selectivity, diversity and activation by depth."""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from amb.contracts.space import FloatArray
from amb.meis.layers import shared
from amb.paper.studies import PaperData
from amb.paper.verdict import Claim
from amb.stats.resampling import FEWEST, RESAMPLES, difference_of_groups, interval, ratio_of_groups
from amb.text import plural

SELECTIVE = 0.5
"""A highly selective unit: its class excites it at least three times as much as the others do on average."""
THIRD = 3
MIDDLE = "layer2.1"
"""From this block on, the paper finds most units tied to a class."""
NO_RATIO = {"ratio": np.nan, "low": np.nan, "high": np.nan, "units": 0, "solvers": "none"}
TIED = 0.5
"""Below this normalized entropy, an input is tied to few classes: less than half of the greatest uncertainty."""


def layer_claims(data: PaperData) -> list[Claim]:
    """The claims of sections 4.2 to 4.4."""
    dips = [dip(data, "layer3.1", ("layer3.0", "layer4.0")), dip(data, "layer4.1", ("layer4.0",))]
    generators = [gap(data, data.layers[0], "early", 0.25, 0.75), gap(data, data.layers[-1], "deep", 0.0, 0.15)]
    return [*generators, selective(data), peak(data), tied(data), farther(data), growth(data), *dips]


def gap(data: PaperData, layer: str, depth: str, least: float, most: float) -> Claim:
    """How far activations by the VQ-VAE's images are below those by the GAN's."""
    ratios = data.atlas.measures.ratios
    gan, vqvae = (*data.atlas.request.generators, "")[:2]
    row = ratios[(ratios["layer"] == layer) & (ratios["first"] == gan) & (ratios["second"] == vqvae)]
    found = row.iloc[0] if len(row) else pd.Series(NO_RATIO)
    claimed = "about half" if depth == "early" else "about 5%"
    return Claim(
        "4.2, figure 11",
        f"In {depth} layers, activations by the VQ-VAE's images are {claimed} lower than by the GAN's.",
        f"The best activation of each unit of {layer} through either generator, by the solvers that search both "
        f"({found['solvers']}); the mean over units.",
        f"gap in {layer}, as a share of the GAN's activation",
        1 - float(found["ratio"]),
        1 - float(found["high"]),
        1 - float(found["low"]),
        least,
        most,
        "" if not len(row) else f"the VQ-VAE reaches {100 * float(found['ratio']):.0f}% of the GAN's activation",
        plural(int(found["units"]), "unit"),
    )


def selective(data: PaperData) -> Claim:
    """Highly selective units exist as early as the third spiking layer."""
    known, values = data.natural, np.empty(0)
    early = set(data.layers[:THIRD])
    if known is not None:
        rows = [row for (layer, _), row in known.row.items() if layer in early]
        values = np.array([known.selectivity(row) for row in rows])
    number = float((values >= SELECTIVE).sum()) if len(values) else np.nan
    highest = float(np.nanmax(values)) if len(values) else np.nan
    return Claim(
        "4.3, figure 8",
        "Highly selective units exist as early as the third spiking layer.",
        f"Class selectivity of all units of the first {THIRD} spiking layers on the data set's test half; highly "
        f"selective means {SELECTIVE:g} or more. All units are counted, so there is no interval.",
        "highly selective units",
        number,
        number,
        number,
        1.0,
        np.inf,
        f"the most selective one has {highest:.2f}",
        plural(len(values), "unit"),
    )


def peak(data: PaperData) -> Claim:
    """The class entropy of inputs is lower in the last spiking layer than in the first."""
    first, last = (_entropy(data, [layer]) for layer in (data.layers[0], data.layers[-1]))
    difference, low, high = difference_of_groups(first, last)
    spread = np.sqrt((first.var(ddof=1) + last.var(ddof=1)) / 2) if min(len(first), len(last)) > 1 else np.nan
    return Claim(
        "4.3, figure 9",
        "The entropy of the class probabilities at inputs is lower in the last spiking layer than in the first.",
        f"Normalized entropy at the best input of each unit, the GAN's images, mean of {data.effort.presentations} "
        "noisy presentations: first spiking layer minus last.",
        "difference of mean entropies",
        difference,
        low,
        high,
        0.0,
        np.inf,
        f"Cohen's d {difference / spread:.2g}" if spread > 0 else "",
        f"{len(first)} and {plural(len(last), 'unit')}",
    )


def tied(data: PaperData) -> Claim:
    """From layer 2.1 on, most units are tied to a class."""
    layers = _from(data.layers, MIDDLE)
    values = (_entropy(data, layers) < TIED).astype(float)
    low, high = interval(values)
    return Claim(
        "4.3, figure 9",
        "From the middle of the network (layer 2.1) on, most units are tied to some class.",
        f"Share of best inputs with a normalized entropy below {TIED:g}, {MIDDLE} and deeper, the GAN's images.",
        "share of units",
        float(values.mean()) if len(values) else np.nan,
        low,
        high,
        0.5,
        1.0,
        "",
        plural(len(values), "unit"),
    )


def farther(data: PaperData) -> Claim:
    """Inputs of the last layer are about 20% farther apart than those of the first."""
    first, last = (distances_of(data, layer) for layer in (data.layers[0], data.layers[-1]))
    ratio, low, high = ratio_of_groups(last, first)
    return Claim(
        "4.4, figure 10",
        "Inputs of one unit are about 20% farther apart in the last spiking layer than in the first.",
        "Mean Euclidean distance of the latents of a unit's inputs by different methods, the GAN's: last layer / first "
        "layer.",
        "ratio of mean distances",
        ratio,
        low,
        high,
        1.1,
        1.3,
        f"mean distances {_mean(first):.3g} and {_mean(last):.3g}" if len(first) and len(last) else "",
        f"{len(first)} and {plural(len(last), 'unit')}",
    )


def growth(data: PaperData) -> Claim:
    """Activations grow with depth."""
    values = [activations_of(data, layer) for layer in data.layers]
    depth = np.arange(len(values))
    rng = np.random.default_rng(0)
    known = all(len(one) for one in values) and len(values) > 2
    enough = known and min(map(len, values)) >= FEWEST
    drawn: list[float] = []
    for _ in range(RESAMPLES if enough else 0):
        resampled = [one[rng.integers(0, len(one), len(one))].mean() for one in values]
        drawn.append(float(spearmanr(depth, resampled).statistic))
    low, high = np.percentile(drawn, [2.5, 97.5]).tolist() if drawn else (np.nan, np.nan)
    means = np.array([one.mean() for one in values]) if known else np.full(2, np.nan)
    return Claim(
        "4.4, figure 11",
        "Activations by inputs grow with depth.",
        "Spearman's correlation of a spiking layer's depth and the mean activation by its units' best inputs, the "
        "GAN's.",
        "rank correlation with depth",
        float(spearmanr(depth, means).statistic) if known else np.nan,
        float(low),
        float(high),
        0.0,
        1.0,
        f"mean activation {means[0]:.2f} in the first and {means[-1]:.2f} in the last layer" if known else "",
        f"{plural(len(values), 'layer')}, {plural(sum(map(len, values)), 'unit')}",
    )


def dip(data: PaperData, block: str, around: tuple[str, ...]) -> Claim:
    """Activations are lower in a block than in its neighbours."""
    inside, outside = (_pooled(data, blocks) for blocks in ((block,), around))
    ratio, low, high = ratio_of_groups(inside, outside)
    name = block.removeprefix("layer")
    return Claim(
        "4.4, figure 11",
        f"Activations dip at layer {name}.",
        f"Mean activation in {block}, divided by that in {' and '.join(around)}; the GAN's images.",
        "ratio of mean activations",
        ratio,
        low,
        high,
        -np.inf,
        1.0,
        f"{100 * abs(1 - ratio):.0f}% {'lower' if ratio < 1 else 'higher'}" if np.isfinite(ratio) else "",
        f"{len(inside)} and {plural(len(outside), 'unit')}",
    )


def distances_of(data: PaperData, layer: str) -> FloatArray:
    """Mean latent distance of the inputs by different methods, for each unit of a layer, the GAN's."""
    table = data.atlas.measures.distances
    generator = data.atlas.request.generators[0]
    own = table[(table["layer"] == layer) & (table["generator"] == generator) & (table["between"] == "solvers")]
    values: FloatArray = own.groupby("problem")["latent"].mean().to_numpy(np.float64)
    return values


def activations_of(data: PaperData, layer: str) -> FloatArray:
    """Activations by the best input of each unit of a layer, the GAN's."""
    values: FloatArray = _best(data).query("layer == @layer")["activation"].to_numpy(np.float64)
    return values


def activations_by_generator(data: PaperData, layer: str) -> list[FloatArray]:
    """The same through each generator, by the searches that all generators had."""
    names = data.atlas.request.generators
    fair = shared(data.meis[data.meis["layer"] == layer], names)
    best = fair.groupby(["generator", "unit"], sort=False)["activation"].max()
    return [best[best.index.get_level_values("generator") == name].to_numpy(np.float64) for name in names]


def _pooled(data: PaperData, blocks: tuple[str, ...]) -> FloatArray:
    """Activations by the best inputs of all units of some blocks."""
    parts = [activations_of(data, layer) for layer in data.layers if layer.startswith(blocks)]
    return np.concatenate(parts) if parts else np.empty(0)


def _entropy(data: PaperData, layers: list[str]) -> FloatArray:
    best = _best(data)
    values: FloatArray = best[best["layer"].isin(layers)]["entropy"].dropna().to_numpy(np.float64)
    return values


def _best(data: PaperData) -> pd.DataFrame:
    return data.meis[data.meis["best"] & (data.meis["generator"] == data.atlas.request.generators[0])]


def _from(layers: tuple[str, ...], block: str) -> list[str]:
    first = next((i for i, layer in enumerate(layers) if layer.startswith(block)), len(layers))
    return list(layers[first:])


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else np.nan
