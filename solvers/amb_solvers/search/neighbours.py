"""The neighbourhood that local search and annealing share: grid points that differ in one dimension."""

import numpy as np

from amb.contracts.space import IntArray, Space


def neighbours(point: IntArray, k: int, space: Space, reach: float, rng: np.random.Generator) -> IntArray:
    """Grid points that differ from one in one mode, int64[k, d]; the point itself where no mode has two levels.

    Args:
        reach: farthest level on an ordinal space, as a share of the mode's levels; steps that would leave the grid
            are reflected at its end. On a categorical space every other level is as near.
    """
    rows = np.repeat(point[None], k, axis=0)
    free = np.flatnonzero(space.levels > 1)
    if not len(free):
        return rows
    modes = rng.choice(free, size=k)
    levels, at, every = space.levels[modes], point[modes], np.arange(k)
    if not space.ordinal:
        rows[every, modes] = (at + rng.integers(1, levels)) % levels
        return rows
    farthest = np.clip(np.rint(reach * levels).astype(np.int64), 1, levels - 1)
    step = rng.integers(1, farthest + 1) * rng.choice([-1, 1], size=k)
    moved = at + step
    outside = (moved < 0) | (moved >= levels)
    moved = np.where(outside, at - step, moved)
    # In a mode so short that both ways lead out, the far end that is not the point itself.
    moved = np.where((moved < 0) | (moved >= levels), np.where(at > 0, 0, levels - 1), moved)
    rows[every, modes] = moved
    return rows
