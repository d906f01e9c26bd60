"""The trust region: a ball whose radius follows success, cut by what the generator's latents look like."""

import numpy as np

from amb.contracts.space import FloatArray, Space
from amb_solvers.shared.latent_box import prior_moments

LARGEST, SMALLEST = 1.2, 0.3
"""Bounds of the radius, in root mean square per coordinate and standard deviations of the prior."""
FACTOR = 1.3
LONGEST = 1.1
"""Largest norm of a point under a normal prior, in the prior's typical norms; under a uniform one the box is enough."""
PATIENCE = 2
"""So many successes in a row make the ball larger by `FACTOR`, so many failures smaller."""


class Region:
    """The radius of the ball, and the way back into it.

    Args:
        radius: at the start.
        space: whose points, in units of the prior, are allowed.
    """

    def __init__(self, radius: float, space: Space) -> None:
        self.radius = radius
        mean, deviation = prior_moments(space)
        self._low, self._high = (space.low - mean) / deviation, (space.high - mean) / deviation
        self._norm = LONGEST * np.sqrt(space.d) if space.prior == "normal" else np.inf
        self._run = 0  # successes in a row; failures are negative

    def record(self, success: bool) -> None:
        """Take whether the last batch found a better candidate."""
        self._run = max(self._run, 0) + 1 if success else min(self._run, 0) - 1
        if self._run >= PATIENCE:
            self.radius, self._run = min(self.radius * FACTOR, LARGEST), 0
        elif self._run <= -PATIENCE:
            self.radius, self._run = max(self.radius / FACTOR, SMALLEST), 0

    def inside(self, points: FloatArray, centres: FloatArray) -> FloatArray:
        """The points moved into the balls around their centres, then to lengths and coordinates that are allowed."""
        reach = self.radius * np.sqrt(points.shape[1])
        near = centres + _within(points - centres, reach)
        return np.clip(_within(near, self._norm), self._low, self._high)


def _within(vectors: FloatArray, length: float) -> FloatArray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors * np.minimum(1.0, length / np.maximum(norms, 1e-12)))
