"""The neighbourhood that local search and annealing share: grid points that differ in one dimension."""

import numpy as np

from amb.contracts.space import IntArray, Space


def neighbours(point: IntArray, k: int, space: Space, reach: float, rng: np.random.Generator) -> IntArray:
    """Grid points that differ from `point` in one dimension, int64[k, d], or `point` itself if none has two levels.

    Args:
        point: int64[d].
        k: number of neighbours.
        space: the grid.
        reach: largest step on an ordinal space, as a share of the dimension's levels; a step that would leave the
            grid goes the other way. On a categorical space all other levels are equally near.
        rng: draws dimensions and steps.
    """
    rows = np.repeat(point[None], k, axis=0)
    free = np.flatnonzero(space.levels > 1)
    if not len(free):
        return rows
    dimensions = rng.choice(free, size=k)
    levels, at, every = space.levels[dimensions], point[dimensions], np.arange(k)
    if not space.ordinal:
        rows[every, dimensions] = (at + rng.integers(1, levels)) % levels
        return rows
    farthest = np.clip(np.rint(reach * levels).astype(np.int64), 1, levels - 1)
    step = rng.integers(1, farthest + 1) * rng.choice([-1, 1], size=k)
    moved = at + step
    outside = (moved < 0) | (moved >= levels)
    moved = np.where(outside, at - step, moved)
    # In a dimension so short that both directions leave the grid: its other end.
    moved = np.where((moved < 0) | (moved >= levels), np.where(at > 0, 0, levels - 1), moved)
    rows[every, dimensions] = moved
    return rows
