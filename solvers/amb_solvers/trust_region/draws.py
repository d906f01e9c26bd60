"""Functions drawn from a Gaussian process, which can be evaluated and climbed anywhere."""

import numpy as np

from amb.contracts.space import FloatArray
from amb_solvers.trust_region.kernel import SHAPE, Kernel, pairs

FEATURES = 256
"""Random Fourier features of a draw of the Matérn part (Rahimi & Recht 2007)."""


class Draws:
    """Functions f_1 to f_k: each a draw of the prior, plus what the data add, ``sum_i weights[k, i] k(x, points[i])``.

    Args:
        kernel: of the process.
        points: float64[n, d].
        number: of functions.
        scale: standard deviation of the process.
    """

    def __init__(self, kernel: Kernel, points: FloatArray, number: int, scale: float, rng: np.random.Generator) -> None:
        d = points.shape[1]
        self._kernel, self._points = kernel, points
        mixture = np.sqrt(rng.chisquare(SHAPE, (FEATURES, 1)) / SHAPE)  # the Matérn kernel's spectrum is Student's t
        self._frequencies = rng.standard_normal((FEATURES, d)) / (kernel.length * np.sqrt(d) * mixture)
        self._phases = rng.uniform(0, 2 * np.pi, FEATURES)
        amplitude = scale * np.sqrt(2 * (1 - kernel.linear) / FEATURES)
        self._amplitudes = amplitude * rng.standard_normal((number, FEATURES))
        self._slopes = scale * np.sqrt(kernel.linear / d) * rng.standard_normal((number, d))
        self._deviation = scale * np.sqrt(kernel.noise)
        self.weights: FloatArray = np.zeros((number, len(points)))

    def prior(self, points: FloatArray) -> FloatArray:
        """The draws of the prior at points float64[n, d], float64[k, n]."""
        waves = np.cos(points @ self._frequencies.T + self._phases)
        return self._amplitudes @ waves.T + self._slopes @ points.T

    def noise(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Noise of n values for each function, float64[k, n]."""
        return self._deviation * rng.standard_normal((len(self._amplitudes), n))

    def gradients(self, points: FloatArray) -> FloatArray:
        """The gradient of the i-th function at the i-th point, float64[k, d]."""
        _, squares = pairs(points, self._points)
        falling = (1 - self._kernel.linear) * self._kernel.matern(squares)[1] * self.weights
        pull = (self._kernel.linear * self.weights + falling) @ self._points - falling.sum(axis=1)[:, None] * points
        waves = np.sin(points @ self._frequencies.T + self._phases) * self._amplitudes
        return pull / points.shape[1] + self._slopes - waves @ self._frequencies
