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
"""Queries of a generation of the authors of SphereCMA, in which their schedules count."""


class SphereCMA(BoxSolver):
    """SphereCMA: an evolution strategy of latents on a sphere, with a shrinking angle of exploration.

    Each generation ranks its population, recombines the better half with log-rank weights, moves the mean
    along the great circle towards and past that direction, and draws tangent vectors around it that are
    mapped onto the sphere. There is no covariance to adapt, so a step costs O(k d).

    Where this departs from the authors' code: it also measures the mean itself once a generation, without using the
    value, and that query is saved here; the angle follows the queries told, so that any population has the same
    schedule; the first generation is a draw of the sphere, with no angle, and counts: the second explores at 48.7°,
    where theirs begins with 50°; past the schedule's end the exponential one stays at `last_angle`.

    Failed queries rank as worst of all, and take no part; a generation without any value is drawn again
    around the same mean.

    Args:
        k: population, of which the better half is recombined.
        rate: of the mean's move: 1 goes to the recombined direction, more goes past it.
        norm: of the latents; 0 is the norm that the prior's latents have, about sqrt(d) for a normal prior.
        angle: degrees, typical, between the mean and its samples in the first generation.
        last_angle: what it shrinks to, exponentially; it stays there.
        decay: queries over which the angle shrinks; 3000 are the authors' 75 generations of 40.
        schedule: "exponential", or "inverse", 15 + 1 / (0.0017 g + 0.0146) degrees in generation g of 40 queries,
            which knows no `angle`, `last_angle` or `decay`.
    """

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
        self._told = 0
        self._mean: FloatArray | None = None  # a unit vector
        self._units: FloatArray = np.empty((0, space.d))

    @property
    def current_angle(self) -> float:
        """Degrees of exploration in the next generation."""
        if self.schedule == "inverse":
            return float(15 + 1 / (0.0017 * self._told / GENERATION + 0.0146))
        progress = min(1.0, self._told / self.decay)
        return float(self.angle * (self.last_angle / self.angle) ** progress)

    def _generate(self) -> FloatArray:
        normal = self.rng.standard_normal((self.k, self.space.d))
        if self._mean is None:
            self._units = unit(normal)
        else:
            tangents = normal - np.outer(normal @ self._mean, self._mean)
            # A normal vector in d - 1 dimensions has length about sqrt(d - 1): its angle is then `angle`.
            tangents *= np.radians(self.current_angle) / np.sqrt(max(self.space.d - 1, 1))
            self._units = follow(self._mean, tangents)
        return self.norm * self._units

    def _learn(self, values: FloatArray) -> None:
        self._told += len(values)
        best = best_first(values)[: max(1, self.k // 2)]
        if not len(best):
            return
        direction = unit(log_weights(len(best)) @ self._units[best])
        self._mean = direction if self._mean is None else great_circle(self._mean, direction, self.rate)
