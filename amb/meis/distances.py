"""How far apart the inputs are that several solvers and seeds found for one unit, against random pairs."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from amb.contracts import asking
from amb.contracts.problem import Problem, UInt8Array
from amb.contracts.space import FloatArray, IntArray, Space
from amb.meis.columns import DISTANCES

PAIRS = 500
"""Random pairs of the yardstick: their mean has a relative standard error of well under 1%."""
MOST_PAIRS = 20_000
"""Pairs of one problem's inputs that are compared, those of 200 inputs."""
PART = 1 << 20
"""Numbers, of each side, that are compared at a time."""
_LABELS = list(DISTANCES)[:7]
"""Columns that say which pair a row is."""


def latent_distances(space: Space, first: IntArray, second: IntArray) -> FloatArray:
    """Distances of candidates int64[n, d] in pairs: Euclidean in latent space (section 4.4 of the paper).

    For codes without order, the number of codes that differ.
    """
    if not space.ordinal:
        return (first != second).sum(axis=1).astype(np.float64)
    return np.linalg.norm(space.decode(first) - space.decode(second), axis=1)


def pixel_distances(first: UInt8Array, second: UInt8Array) -> FloatArray:
    """Euclidean distances of images uint8[n, h, w, c] in pairs, pixels from 0 to 1."""
    difference = (first.astype(np.float64) - second).reshape(len(first), -1) / 255
    return np.linalg.norm(difference, axis=1)


def similarities(first: UInt8Array, second: UInt8Array) -> FloatArray:
    """Pearson correlations of images uint8[n, h, w, c] in pairs; 1 for two equal images, also flat ones."""
    a, b = (images.reshape(len(images), -1).astype(np.float64) for images in (first, second))
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    scale = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    equal = (first == second).reshape(len(first), -1).all(axis=1)
    return np.where(equal, 1.0, (a * b).sum(axis=1) / np.where(scale > 0, scale, 1.0))


def yardstick(problem: Problem, *, pairs: int = PAIRS, seed: int = 0) -> dict[str, object]:
    """How far apart random inputs of a problem's generator are; the columns of `YARDSTICKS`, except the generator."""
    rng = np.random.default_rng(seed)
    first, second = (problem.space.sample_prior(pairs, rng) for _ in range(2))
    images = np.concatenate([asking.images(problem, first), asking.images(problem, second)])
    couples = np.arange(pairs), np.arange(pairs, 2 * pairs)
    return {
        "pairs": pairs,
        "latent": float(latent_distances(problem.space, first, second).mean()),
        "pixels": float(_in_parts(pixel_distances, images, *couples).mean()),
        "similarity": float(_in_parts(similarities, images, *couples).mean()),
    }


def distance_table(
    table: pd.DataFrame, images: UInt8Array, problem: Callable[[str], Problem], random: dict[str, object]
) -> pd.DataFrame:
    """One row for each pair of inputs of a problem by two solvers or with two seeds; see `DISTANCES`.

    Two runs of one solver and seed, with budgets for which it plans, are no such pair. Of many, some are drawn, see
    `pairs_of`.

    Args:
        table: inputs of one generator (`amb.meis.columns.MEIS`).
        images: their images, uint8[n, h, w, c].
        problem: a problem by its id.
        random: what `yardstick` returned.
    """
    labels: list[list[object]] = [[] for _ in range(len(_LABELS))]
    left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    place = pd.Series(np.arange(len(table)), index=table.index)
    for name, group in table.groupby("problem", sort=False):
        solvers, seeds = (group[column].to_numpy(object) for column in ("solver", "seed"))
        a, b = pairs_of(len(group))
        others = solvers[a] != solvers[b]
        apart = others | (seeds[a] != seeds[b])
        a, b, others = a[apart], b[apart], others[apart]
        runs = np.array([f"{solver} seed {seed}" for solver, seed in zip(solvers, seeds, strict=True)], dtype=object)
        first = group[["generator", "layer", "unit"]].to_numpy(object)[a].T
        between = np.where(others, "solvers", "seeds")
        for column, values in zip(labels, ([name] * len(a), *first, runs[a], runs[b], between), strict=True):
            column.extend(values)
        places = place[group.index].to_numpy()
        left.append(places[a])
        right.append(places[b])
    result = pd.DataFrame(dict(zip(_LABELS, labels, strict=True)))
    if result.empty:
        return pd.DataFrame(columns=list(DISTANCES))
    pairs = np.concatenate(left), np.concatenate(right)
    candidates = np.stack(table["candidate"].tolist())
    space = problem(str(table["problem"].iloc[0])).space
    result["latent"] = _in_parts(partial(latent_distances, space), candidates, *pairs)
    result["latent_share"] = result["latent"] / float(str(random["latent"]))
    result["pixels"] = _in_parts(pixel_distances, images, *pairs)
    result["pixels_share"] = result["pixels"] / float(str(random["pixels"]))
    result["similarity"] = _in_parts(similarities, images, *pairs)
    return result[list(DISTANCES)]


def pairs_of(inputs: int) -> tuple[IntArray, IntArray]:
    """The pairs of a problem's inputs that are compared, as two arrays int64[pairs] in ascending order.

    All, if these are at most `MOST_PAIRS`; else so many of them, drawn by a fixed rule: their number grows with the
    square of that of the inputs.
    """
    count = all_pairs(inputs)
    if count <= MOST_PAIRS:
        return np.triu_indices(inputs, 1)
    drawn = np.sort(np.random.default_rng(0).choice(count, MOST_PAIRS, replace=False))
    first = np.arange(inputs)
    begins = first * (2 * inputs - first - 1) // 2  # the number of the first pair of each input with a later one
    left = np.searchsorted(begins, drawn, side="right") - 1
    return left, drawn - begins[left] + left + 1


def all_pairs(inputs: int) -> int:
    """How many pairs there are of so many inputs."""
    return inputs * (inputs - 1) // 2


def _in_parts(
    measure: Callable[[Any, Any], FloatArray], of: UInt8Array | IntArray, left: IntArray, right: IntArray
) -> FloatArray:
    """A measure of pairs of rows, of so many at a time that memory does not grow with the number of pairs."""
    step = max(1, PART // max(1, of[0].size))
    parts = [
        measure(of[left[start : start + step]], of[right[start : start + step]]) for start in range(0, len(left), step)
    ]
    return np.concatenate(parts)
