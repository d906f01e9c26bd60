"""Evolution strategies in the latent box, by the published equations."""

from typing import Any, Literal, get_args

import numpy as np

from amb.contracts.space import FloatArray, Space
from amb.errors import SpecError
from amb_solvers.shared.batches import BatchSolver, best_first

Schedule = Literal["exponential", "inverse"]

GENERATION = 40
"""Queries of a generation of the authors of SphereCMA, in which their schedules count."""


def losses(values: FloatArray) -> FloatArray | None:
    """Values as a package that minimizes is told them: negated, a failed query the worst of all; None: all failed."""
    there = ~np.isnan(values)
    return -np.where(there, values, values[there].min()) if there.any() else None


class BoxSolver(BatchSolver):
    """A batch method that works on latents. Coordinates are those of the latent; the box is `space.low` to
    `space.high`."""

    kinds = frozenset({"ordinal"})
    continuous = True


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


class SNES(BoxSolver):
    """Separable natural evolution strategy: one mean and one step for every coordinate.

    Starts at the prior's mean with the prior's deviation, so that its first population is a draw from the
    prior. Failed queries share the lowest utility; a population without any value changes nothing.

    Args:
        k: population; 0 is ``4 + 3 log d``.
        scale: of the first step, in deviations of the prior.
    """

    failed_queries = "shares the lowest utilities"
    source = "Schaul, Glasmachers & Schmidhuber 2011, GECCO; Wierstra et al. 2014, JMLR 15, 949-980"

    def __init__(self, space: Space, *, budget: int, seed: int, k: int = 0, scale: float = 1.0) -> None:
        super().__init__(space, budget=budget, seed=seed)
        if k < 0 or k == 1 or not scale > 0:
            raise SpecError(f"expected k = 0 or k >= 2, and scale > 0, got k={k}, scale={scale}")
        self.k = k or population(space.d)
        mean, deviation = prior_moments(space)
        self._mean: FloatArray = np.full(space.d, mean)
        self._sigma: FloatArray = np.full(space.d, scale * deviation)
        self._rate = (3 + np.log(space.d)) / (5 * np.sqrt(space.d))
        self._normal: FloatArray = np.empty((0, space.d))

    def _generate(self) -> FloatArray:
        self._normal = self.rng.standard_normal((self.k, self.space.d))
        return self._mean + self._sigma * self._normal

    def _learn(self, values: FloatArray) -> None:
        best = best_first(values)
        if not len(best):
            return
        ranks = np.arange(1, self.k + 1)
        raw = np.maximum(0, np.log(self.k / 2 + 1) - np.log(ranks))
        utility = raw / raw.sum() - 1 / self.k  # from the best rank to the worst; sums to zero
        u = np.full(self.k, utility[len(best) :].mean() if len(best) < self.k else 0.0)
        u[best] = utility[: len(best)]
        self._mean = self._mean + self._sigma * (u @ self._normal)
        step = self._rate / 2 * (u @ (self._normal**2 - 1))
        self._sigma = self._sigma * np.exp(np.clip(step, -1, 1))
        # On a plateau the steps walk at random; the box is wide enough for any of them.
        width = self.space.high - self.space.low
        self._sigma = np.clip(self._sigma, 1e-6 * width, width)
        self._mean = np.clip(self._mean, self.space.low, self.space.high)


def population(d: int) -> int:
    """CMA's default population, 4 + floor(3 log d) (Hansen 2016)."""
    return 4 + int(3 * np.log(d))


def prior_moments(space: Space) -> tuple[float, float]:
    """Mean and deviation of the prior of one coordinate."""
    if space.prior == "normal":
        return 0.0, 1.0
    return (space.low + space.high) / 2, (space.high - space.low) / np.sqrt(12)


def prior_norm(space: Space) -> float:
    """Root mean square norm of the prior's latents."""
    mean, deviation = prior_moments(space)
    return float(np.sqrt(space.d * (mean**2 + deviation**2)))


def log_weights(m: int) -> FloatArray:
    """CMA's recombination weights, log(m + 1/2) - log(rank), summing to one, float64[m]."""
    weights = np.log(m + 0.5) - np.log(np.arange(1, m + 1))
    return weights / weights.sum()


def unit(vectors: Any) -> FloatArray:
    """Vectors of length one, along the last axis; a zero vector stays zero."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1.0))


def follow(base: FloatArray, tangents: FloatArray) -> FloatArray:
    """The sphere's exponential map: from a unit vector along tangents, float64[k, d], by their lengths."""
    lengths = np.linalg.norm(tangents, axis=1, keepdims=True)
    return unit(np.cos(lengths) * base + np.sin(lengths) * unit(tangents))


def great_circle(start: FloatArray, end: FloatArray, t: float) -> FloatArray:
    """The point at `t` on the great circle from `start` (t=0) through `end` (t=1), unit vectors."""
    angle = np.arccos(np.clip(start @ end, -1, 1))
    if np.sin(angle) < 1e-9:
        return end.copy()
    return unit((np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle))
