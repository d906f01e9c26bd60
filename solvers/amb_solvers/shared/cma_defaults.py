"""CMA-ES's default population size and recombination weights, which several evolution strategies share."""

import numpy as np

from amb.contracts.space import FloatArray


def population(d: int) -> int:
    """CMA's default population, 4 + floor(3 log d) (Hansen 2016)."""
    return 4 + int(3 * np.log(d))


def log_weights(m: int) -> FloatArray:
    """CMA's recombination weights, log(m + 1/2) - log(rank), normalized to sum to one, float64[m]."""
    weights = np.log(m + 0.5) - np.log(np.arange(1, m + 1))
    return weights / weights.sum()
