"""What counts as an activation: numbers of a size with which ranks and tests can work."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

LARGEST = 1e100
"""Largest size of an activation: squares and sums of more would overflow."""

SMALLEST = 1e-9
"""What a problem's activations must reach, unless all are 0: they are rounded to 12 decimals, so that rounding errors
break no ties, and below this size real differences would vanish."""


def as_activations(responses: ArrayLike) -> NDArray[np.float64]:
    """Responses as they are stored, a copy, float64[...]: NaN, a failed query, where one is infinite or too large."""
    numbers = np.asarray(responses, dtype=np.float64)
    return np.where(np.abs(numbers) <= LARGEST, numbers, np.nan)
