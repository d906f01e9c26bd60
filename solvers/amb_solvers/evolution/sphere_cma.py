"""SphereCMA, an evolution strategy on the sphere of latents, by the published equations."""

from typing import Literal, get_args

import numpy as np

from amb.contracts.space import FloatArray, Space
from amb.errors import SpecError
from amb_solvers.evolution.sphere import follow, great_circle, unit
from amb_solvers.shared.cma_defaults import log_weights
from amb_solvers.shared.latent_box import BoxSolver, prior_norm
from amb_solvers.shared.ranking import best_first

Schedule = Literal["exponential", "inverse"]

GENERATION = 40
"""Queries per generation in the authors' code, whose schedules count generations."""


class SphereCMA(BoxSolver):
    """An evolution strategy for latents on a sphere, with a shrinking angle of exploration.

    Each generation ranks its population, recombines the better half with log-rank weights, moves the mean along the
    great circle towards that direction and past it, and draws tangent vectors at the mean, which are mapped onto the
    sphere. There is no covariance to adapt, so a step costs O(k d).

    From the second generation on, the mean itself is the first candidate: its value takes no part in the ranking, but
    the mean is often the best point that there is, and what is recommended is the best point that was measured.

    The schedules are those of the authors' code at its population of 40; with another population the angle is the
    same after as many queries. After the end of the schedule the angle stays as it is.

    Failed queries take no part in the recombination; if a whole generation fails, a new one is drawn around the
    same mean.

    Args:
        k: population size without the mean; the better half is recombined.
        rate: how far the mean moves: 1 goes to the recombined direction, more goes past it.
        norm: norm of the latents; 0 means that of the prior's latents, about sqrt(d) for a normal prior.
        angle: typical angle in degrees between the mean and its samples in the first generation around a mean.
        last_angle: the angle in degrees at the end of the exponential schedule, and after it.
        decay: queries over which the angle shrinks; 3000 are the authors' 75 generations of 40.
        schedule: "exponential", or "inverse": 15 + 1 / (0.0017 g + 0.0146) degrees in the g-th generation around a
            mean, which ignores `angle` and `last_angle`.
    """

    version = "2"
    forked = True
    failed_queries = "takes no part in the recombination"
    source = "Wang & Ponce 2022, GECCO (arXiv:2204.06765)"

    def __init__(
        self,
        space: Space,
        *,
        budget: int,
        seed: int,
        k: int = 40,
        rate: float = 1.5,
        norm: float = 0.0,
        angle: float = 50.0,
        last_angle: float = 7.33,
        decay: int = 3000,
        schedule: str = "exponential",
    ) -> None:
        super().__init__(space, budget=budget, seed=seed)
        if k < 2 or not rate > 0 or norm < 0 or not 0 < last_angle <= angle or decay < 1:
            raise SpecError(
                "expected k >= 2, rate > 0, norm >= 0, 0 < last_angle <= angle and decay >= 1, got "
                f"k={k}, rate={rate}, norm={norm}, angle={angle}, last_angle={last_angle}, decay={decay}"
            )
        if schedule not in get_args(Schedule):
            raise SpecError(f"schedule must be one of {', '.join(get_args(Schedule))}, got {schedule!r}")
        self.k = k
        self.schedule = schedule
        self.rate, self.angle, self.last_angle, self.decay = rate, angle, last_angle, decay
        self.norm = norm or prior_norm(space)
        self._explored = 0  # generations around a mean
        self._mean: FloatArray | None = None  # a unit vector
        self._units: FloatArray = np.empty((0, space.d))

    @property
    def current_angle(self) -> float:
        """Angle of exploration in the next generation around a mean, in degrees."""
        last = max(self.decay / GENERATION - 1, 1e-9)
        generation = min(self._explored * self.k / GENERATION, last)
        if self.schedule == "inverse":
            return float(15 + 1 / (0.0017 * (generation + 1) + 0.0146))
        return float(self.angle * (self.last_angle / self.angle) ** (generation / last))

    def _generate(self) -> FloatArray:
        normal = self.rng.standard_normal((self.k, self.space.d))
        if self._mean is None:
            self._units = unit(normal)
        else:
            tangents = normal - np.outer(normal @ self._mean, self._mean)
            tangents *= np.radians(self.current_angle) / np.sqrt(self.space.d)
            self._units = np.vstack([self._mean, follow(self._mean, tangents)])
            self._explored += 1
        return self.norm * self._units

    def _learn(self, values: FloatArray) -> None:
        samples = slice(len(self._units) - self.k, None)  # without the mean
        best = best_first(values[samples])[: max(1, self.k // 2)]
        if not len(best):
            return
        direction = unit(log_weights(len(best)) @ self._units[samples][best])
        self._mean = direction if self._mean is None else great_circle(self._mean, direction, self.rate)
