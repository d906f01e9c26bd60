"""The small spaces and objectives on which solvers are checked."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from amb.contracts.problem import FunctionProblem
from amb.contracts.space import FloatArray, IntArray, Space

Objective = Callable[[IntArray], FloatArray]

PLAIN = {"ordinal": Space.uniform(6, 8), "categorical": Space.uniform(5, 8, kind="categorical")}

SPACES = {
    "levels at the prior's quantiles": Space.uniform(5, 16, grid="quantile"),
    "dimensions with different numbers of levels": Space(np.array([5, 1, 12, 3])),
    "one level per dimension": Space(np.array([1, 1, 1])),
    "a single dimension": Space.uniform(1, 9),
    "categories": PLAIN["categorical"],
}


def near(candidates: IntArray) -> FloatArray:
    """A smooth peak at level 2 of every dimension, in (0, 1]."""
    return np.exp(-np.abs(candidates - 2).mean(axis=1))


def sometimes_failing(candidates: IntArray) -> FloatArray:
    """The same peak, with failed queries on a third of the grid."""
    values = near(candidates)
    values[candidates.sum(axis=1) % 3 == 0] = np.nan
    return values


NEURONS: dict[str, Objective] = {
    "constant": lambda x: np.full(len(x), 0.25),
    "silent": lambda x: np.zeros(len(x)),
    "saturated": lambda x: np.where(near(x) > 0.3, 1.0, near(x)),
    "sometimes failing (NaN)": sometimes_failing,
    "always failing (NaN)": lambda x: np.full(len(x), np.nan),
    "infinite": lambda x: np.where(x[:, 0] % 2 == 0, np.inf, -np.inf),
    "huge": lambda x: -1e300 * (1 - near(x)),
}


class Slope(FunctionProblem):
    """A problem with gradients, for white-box solvers: a peak at level 2 of every dimension, or at its last level.

    Args:
        steepness: factor of the gradient; 0 stands for a silent unit, NaN for a gradient that overflows.
    """

    def __init__(self, space: Space, steepness: float = 1.0) -> None:
        super().__init__(near, space, id="kit/slope")
        self.steepness = steepness
        self._peak = np.array([space.axis(j)[min(2, n - 1)] for j, n in enumerate(space.levels)])

    def gradient(self, latents: ArrayLike) -> tuple[FloatArray, FloatArray]:
        away = np.asarray(latents, dtype=np.float64) - self._peak
        values = np.exp(-np.square(away).mean(axis=1))
        return values, -2 * self.steepness / self.space.d * away * values[:, None]


class Noisy:
    """The peak under so much noise that the luckiest value says little; the noise depends on the query's number."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, candidates: IntArray) -> FloatArray:
        return near(candidates) + self._rng.normal(0, 0.5, len(candidates))
