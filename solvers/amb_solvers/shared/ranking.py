"""Ranking a batch by its values."""

import numpy as np

from amb.contracts.space import FloatArray, IntArray


def best_first(values: FloatArray) -> IntArray:
    """Positions of all values but NaN, best first; of equal values the later one comes first."""
    order = np.argsort(values, kind="stable")  # NaN goes last
    return order[: np.count_nonzero(~np.isnan(values))][::-1]
