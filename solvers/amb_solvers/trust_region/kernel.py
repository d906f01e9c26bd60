"""The kernel of the Gaussian process: a linear part for what holds everywhere, a Matérn part for what holds nearby."""

from dataclasses import dataclass

import numpy as np

from amb.contracts.space import FloatArray

SHAPE = 5
"""Twice the smoothness of the Matérn part: draws of the process have two derivatives."""


@dataclass(frozen=True)
class Kernel:
    """``linear * x·y / d + (1 - linear) * Matérn(|x - y| / sqrt(d))``, for coordinates of unit variance.

    Args:
        linear: share of the linear part, from 0 to 1.
        length: length scale of the Matérn part; draws of the prior are about 1.4 apart.
        noise: variance of the noise, in units of the kernel's.
    """

    linear: float
    length: float
    noise: float

    def matern(self, squares: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The Matérn part and how fast it falls, ``-2 d/ds``, at squared distances s; Rasmussen & Williams, 4.17."""
        scaled = np.sqrt(SHAPE * squares) / self.length
        decay = np.exp(-scaled)
        value = (1 + scaled + scaled * scaled / 3) * decay
        slope = SHAPE / (3 * self.length**2) * (1 + scaled) * decay
        return value, slope

    def combined(self, products: FloatArray, squares: FloatArray) -> FloatArray:
        """The kernel of pairs of points with these scalar products and squared distances, both divided by d."""
        return self.linear * products + (1 - self.linear) * self.matern(squares)[0]


def pairs(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Scalar products and squared distances of all pairs of rows, divided by d, float64[n, m] each."""
    d = first.shape[1]
    products = first @ second.T / d
    squares = (first * first).sum(axis=1)[:, None] / d + (second * second).sum(axis=1) / d - 2 * products
    return products, np.maximum(squares, 0.0)
