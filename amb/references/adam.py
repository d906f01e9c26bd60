"""Adam's step uphill, for several climbers at a time."""

import numpy as np

from amb.contracts.space import FloatArray


class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1) for climbers that start and restart independently.

    Args:
        climbers, dimensions: how many climb, and in how many coordinates.
        rate: step size, in the coordinates' units.
        epsilon: keeps the step finite where there is hardly any slope.
    """

    def __init__(self, climbers: int, dimensions: int, *, rate: float, epsilon: float = 1e-8) -> None:
        self.rate, self.epsilon = rate, epsilon
        self._mean, self._square = np.zeros((climbers, dimensions)), np.zeros((climbers, dimensions))
        self._age = np.zeros((climbers, 1))

    def step(self, slopes: FloatArray) -> FloatArray:
        """The moves uphill for the slopes at the climbers' points, float64[climbers, dimensions] each."""
        self._age += 1
        self._mean = 0.9 * self._mean + 0.1 * slopes
        self._square = 0.99 * self._square + 0.01 * slopes**2  # a short memory, since a climb takes only tens of steps
        mean, square = self._mean / (1 - 0.9**self._age), self._square / (1 - 0.99**self._age)
        return self.rate * mean / (np.sqrt(square) + self.epsilon)

    def restart(self, climbers: np.ndarray) -> None:
        """Forget the past of some climbers, bool[climbers] or their numbers."""
        self._mean[climbers] = self._square[climbers] = self._age[climbers] = 0.0
