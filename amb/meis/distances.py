"""How far apart the inputs are that several solvers and seeds found for one unit, against random pairs."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd

from amb.contracts import asking
from amb.contracts.problem import Problem, UInt8Array
from amb.contracts.space import FloatArray, IntArray, Space
from amb.meis.columns import DISTANCES

PAIRS = 500
"""Random pairs of the yardstick: their mean has a relative standard error of well under 1%."""


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
    images = asking.images(problem, first), asking.images(problem, second)
    return {
        "pairs": pairs,
        "latent": float(latent_distances(problem.space, first, second).mean()),
        "pixels": float(pixel_distances(*images).mean()),
        "similarity": float(similarities(*images).mean()),
    }


def distance_table(
    table: pd.DataFrame, images: UInt8Array, problem: Callable[[str], Problem], random: dict[str, object]
) -> pd.DataFrame:
    """One row for each pair of inputs of a problem by two solvers or with two seeds; see `DISTANCES`.

    Two runs of one solver and seed, with budgets for which it plans, are no such pair.

    Args:
        table: inputs of one generator (`amb.meis.columns.MEIS`).
        images: their images, uint8[n, h, w, c].
        problem: a problem by its id.
        random: what `yardstick` returned.
    """
    rows, left, right = [], [], []
    place = dict(zip(table.index, range(len(table)), strict=True))
    for name, group in table.groupby("problem", sort=False):
        for a, b in combinations(group.itertuples(), 2):
            if (a.solver, a.seed) == (b.solver, b.seed):
                continue
            between = "solvers" if a.solver != b.solver else "seeds"
            labels = [f"{row.solver} seed {row.seed}" for row in (a, b)]
            rows.append((name, a.generator, a.layer, a.unit, *labels, between))
            left.append(place[a.Index])
            right.append(place[b.Index])
    result = pd.DataFrame(rows, columns=list(DISTANCES)[:7])
    if not rows:
        return result.reindex(columns=list(DISTANCES))
    candidates = np.stack(table["candidate"].tolist())
    space = problem(str(table["problem"].iloc[0])).space
    result["latent"] = latent_distances(space, candidates[left], candidates[right])
    result["latent_share"] = result["latent"] / float(str(random["latent"]))
    result["pixels"] = pixel_distances(images[left], images[right])
    result["pixels_share"] = result["pixels"] / float(str(random["pixels"]))
    result["similarity"] = similarities(images[left], images[right])
    return result[list(DISTANCES)]
