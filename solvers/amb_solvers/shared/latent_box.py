"""Batch methods that work on latents, and the moments of the prior from which they start."""

import numpy as np

from amb.contracts.batches import BatchSolver
from amb.contracts.space import Space


class BoxSolver(BatchSolver):
    """A batch method that works on latents, in the box from `space.low` to `space.high`."""

    kinds = frozenset({"ordinal"})
    continuous = True


def prior_moments(space: Space) -> tuple[float, float]:
    """Mean and standard deviation of one coordinate under the prior."""
    if space.prior == "normal":
        return 0.0, 1.0
    return (space.low + space.high) / 2, (space.high - space.low) / np.sqrt(12)


def prior_norm(space: Space) -> float:
    """Root mean square norm of latents from the prior."""
    mean, deviation = prior_moments(space)
    return float(np.sqrt(space.d * (mean**2 + deviation**2)))
