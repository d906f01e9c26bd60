"""Ranking a batch by its values."""

import numpy as np

from amb.contracts.space import FloatArray, IntArray


def best_first(values: FloatArray) -> IntArray:
    """Positions of the values that are there (no NaN), from the best; of equals the later one is better."""
    order = np.argsort(values, kind="stable")  # NaN goes last
    return order[: np.count_nonzero(~np.isnan(values))][::-1]
