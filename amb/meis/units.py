"""Activations of all units of a layer for images, and their histograms over a data set: a few lines of Python each."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from amb.catalogue.families import problem_of
from amb.catalogue.problems import family as find_family
from amb.contracts import asking
from amb.contracts.device import check_device
from amb.contracts.family import layers_of
from amb.contracts.natural import SHARES, NaturalResponses
from amb.contracts.problem import Problem, UInt8Array
from amb.contracts.space import FloatArray
from amb.contracts.target import check_unit
from amb.errors import DataError, SpecError
from amb.meis.natural import WITHOUT_DATA, measure
from amb.spec import ProblemId, as_text, explained, user_path, whole_number, without_noise


def layer_problems(family: str, layer: str, *, device: str = "cpu") -> list[Problem]:
    """The problems of all units of a layer of ``<generator>/<target>``.

    Raises:
        SpecError: no such family or layer.
    """
    known = find_family(as_text(family, "the family"))
    layers = layers_of(known)
    check_unit(layers, as_text(layer, "the layer"), 0, family)
    device = check_device(device)
    return [problem_of(known, layer, (unit,), device=device, options={}) for unit in range(layers[layer])]


@explained("amb.layer_activations")
def layer_activations(family: str, layer: str, images: UInt8Array, *, device: str = "cpu") -> FloatArray:
    """Activations of all units of a layer for images, uint8[n, h, w, c] -> float64[n, units], in one pass.

    Args:
        family: generator and target, ``cifar10-sngan/snn-cnn``.
        layer: the layer.
        images: any images of the target's size.
        device: where the network runs.

    Raises:
        SpecError: no such family, layer or device, or images of another size.
    """
    problems = layer_problems(family, layer, device=device)
    return asking.responses(problems, images)


@explained("amb.layer_scan")
def layer_scan(family: str, candidates: ArrayLike, *, device: str = "cpu") -> pd.DataFrame:
    """Activations of all units of all layers by images of a generator.

    Args:
        family: generator and target, ``cifar10-sngan/snn-cnn``.
        candidates: grid points of the generator, int[n, d].
        device: where the network runs.

    Returns:
        Columns layer, unit and one for each candidate, its number.

    Raises:
        SpecError: no such family or device.
        CandidateError: wrong shape, type or range.
    """
    known = find_family(as_text(family, "the family"))
    device = check_device(device)
    units = [(layer, unit) for layer, number in layers_of(known).items() for unit in range(number)]
    problems = [problem_of(known, layer, (unit,), device=device, options={}) for layer, unit in units]
    responses = asking.responses(problems, asking.images(problems[0], candidates))
    table = pd.DataFrame(units, columns=["layer", "unit"])
    return pd.concat([table, pd.DataFrame(responses.T)], axis=1)


def natural_responses(problem: str, *, data: str | Path | None = None) -> NaturalResponses:
    """How a network's units respond to its data set: those of the problem's layer, or all that are shipped.

    Raises:
        DataError: they are not shipped, and no data set is named or it cannot be read.
        SpecError: no such problem.
    """
    parts = ProblemId.parse(without_noise(problem))
    family = find_family(f"{parts.generator}/{parts.target}")
    shipped = family.natural_responses()
    if shipped is not None:
        return shipped
    if data is None:
        raise DataError(f"{problem}: {WITHOUT_DATA.replace('--data', 'data=')}")
    return measure(layer_problems(f"{parts.generator}/{parts.target}", parts.layer), family, user_path(data))


@explained("amb.histogram")
def histogram(problem: str, *, bins: int = 40, data: str | Path | None = None) -> tuple[FloatArray, FloatArray]:
    """The distribution of a unit's activations over its data set.

    Args:
        problem: the problem's id.
        bins: number of bins between the lowest and the highest activation.
        data: folder of the data sets, for networks whose responses are not shipped.

    Returns:
        Shares of the images, float64[bins], and the bins' edges, float64[bins + 1]. From shipped responses, shares come
        from quantiles: within 2% of the images each.

    Raises:
        DataError, SpecError: see `natural_responses`.
    """
    bins = whole_number(bins, "the number of bins", 1, 1_000_000)
    parts = ProblemId.parse(without_noise(problem))
    family = f"{parts.generator}/{parts.target}"
    if "+" in parts.unit:
        raise SpecError(
            f"{problem}: the mean of several units has no distribution of its own; name one of {parts.unit}"
        )
    check_unit(layers_of(find_family(family)), parts.layer, int(parts.unit) if parts.unit.isdecimal() else -1, family)
    responses = natural_responses(problem, data=data)
    quantiles = responses.quantiles[responses.row[parts.layer, int(parts.unit)]].astype(np.float64)
    return shares_of(quantiles, bins)


def shares_of(quantiles: FloatArray, bins: int) -> tuple[FloatArray, FloatArray]:
    """Shares of images in equal bins, from activations at the quantiles `SHARES`: float64[bins], float64[bins + 1]."""
    low, high = float(quantiles[0]), float(quantiles[-1])
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    # Of equal quantiles, the highest share counts: that many images lie at or below the value.
    values, last = np.unique(quantiles[::-1], return_index=True)
    below = np.interp(edges, values, SHARES[::-1][last], left=0.0, right=1.0)
    below[0] = 0.0
    return np.diff(below), edges
