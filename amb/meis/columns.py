"""The columns of the tables about most exciting inputs, each with its meaning; docs/atlas.md lists them."""

from collections.abc import Mapping
from types import MappingProxyType

MEIS: Mapping[str, str] = MappingProxyType(
    {
        "problem": "id of the problem",
        "generator": "the generator that made the image, with the options of its grid, or such a problem of your own",
        "target": "the network",
        "layer": "the unit's layer",
        "unit": "the unit's number; several, 3+7, for the mean of a group",
        "solver": "the solver that found it",
        "seed": "the run's seed",
        "budget": "queries that the run was allowed",
        "activation": "the unit's noise-free activation by the recommended input",
        "best": "whether no other input by this generator excites the unit more; of equal ones, the first",
        "candidate": "the input's grid point, int64[d]",
        "saturated": "whether the unit fires as often as it can, in every frame at every position",
        "silent": "whether the unit does not respond to it at all: the activation is 0",
    }
)
"""One row for each finished run: its most exciting input."""

NATURAL: Mapping[str, str] = MappingProxyType(
    {
        "percentile": "share of the data set's images with a lower activation, in percent, from stored quantiles",
        "natural_best": "the highest activation by an image of the data set",
        "natural_image": "that image's number",
        "natural_mean": "the mean activation over the data set, from stored quantiles",
        "natural_class": "the class whose images excite the unit most on average",
        "selectivity": "class selectivity index: 0 if all classes excite the unit alike, 1 if a single class does",
        "dead": "whether the unit responds alike to every image of the data set",
    }
)
"""Columns in addition, where the network's responses to its data set are known."""

CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "class": "the class that the network sees in the input",
        "probability": "that class's probability",
        "entropy": "entropy of the class probabilities, divided by the logarithm of the number of classes: 0 to 1",
        "probabilities": "all class probabilities, float64[classes]",
        "agrees": "whether that class is also the unit's class on the data set; empty where that is unknown",
    }
)
"""Columns in addition, where the network is a classifier."""

DISTANCES: Mapping[str, str] = MappingProxyType(
    {
        "problem": "id of the problem",
        "generator": "the generator",
        "layer": "the unit's layer",
        "unit": "the unit's number",
        "first": "solver and seed of one input",
        "second": "solver and seed of the other",
        "between": "solvers, if they are two solvers' inputs; seeds, if one solver's with two seeds",
        "latent": "Euclidean distance of the two latents; for codes without order, the number that differ",
        "latent_share": "the same, divided by the mean distance of random pairs of this generator",
        "pixels": "Euclidean distance of the two images, pixels from 0 to 1",
        "pixels_share": "the same, divided by the mean distance of random pairs of this generator",
        "similarity": "correlation of the two images over pixels and channels, -1 to 1",
    }
)
"""One row for each pair of inputs of a problem."""

YARDSTICKS: Mapping[str, str] = MappingProxyType(
    {
        "generator": "the generator",
        "pairs": "number of random pairs",
        "latent": "mean distance of their latents, drawn from the generator's prior",
        "pixels": "mean distance of their images",
        "similarity": "mean correlation of their images",
    }
)
"""One row for each generator: how far apart random inputs are."""

LAYERS: Mapping[str, str] = MappingProxyType(
    {
        "generator": "the generator",
        "target": "the network",
        "layer": "the layer, in the network's order",
        "units": "units with an input",
        "silent": "of these, units that do not respond to it",
        "saturated": "units that fire as often as they can",
        "activation": "mean activation over units, of the best input of each",
        "low": "its 25% quantile",
        "median": "its median",
        "high": "its 75% quantile",
        "entropy": "mean normalized entropy of the class probabilities",
        "selectivity": "mean class selectivity index on the data set",
        "latent": "mean distance of the latents of a unit's inputs",
        "similarity": "mean correlation of a unit's inputs",
    }
)
"""One row for each generator and layer."""

RATIOS: Mapping[str, str] = MappingProxyType(
    {
        "first": "one generator",
        "second": "the other",
        "target": "the network",
        "layer": "the layer",
        "units": "units that have inputs from both, by the same solver, seed and budget, under the same conditions",
        "solvers": "the solvers of these inputs",
        "ratio": "mean over units of the best activation by the second, divided by that by the first",
        "low": "lower end of its 95% interval, bootstrap over units",
        "high": "upper end of its 95% interval",
    }
)
"""One row for each layer and two generators: activation by one over that by the other."""
