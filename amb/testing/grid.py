"""The small spaces and objectives on which solvers are checked."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from amb.contracts.problem import FunctionProblem
from amb.contracts.space import FloatArray, IntArray, Space
from amb.contracts.view import Slope as PixelSlope
from amb.contracts.view import UInt8Array, View

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


class Drawn(View):
    """A view for image-seeing solvers: every coordinate is the brightness of a pixel of a small grey square.

    Args:
        space: the grid.
        differentiable: whether it has gradients.
        blank: whether all images are alike, as those of a generator that ignores its latents.
    """

    def __init__(self, space: Space, *, differentiable: bool = False, blank: bool = False) -> None:
        self.space, self.differentiable, self._blank = space, differentiable and space.ordinal, blank
        side = int(np.ceil(np.sqrt(space.d)))
        self.shape = (side, side, 1)
        self._low, self._high = (space.low, space.high) if space.ordinal else (0.0, float(space.levels.max()))

    def images(self, candidates: ArrayLike) -> UInt8Array:
        return np.rint(self._pixels(self.space.decode(candidates))).astype(np.uint8)

    def gradient(self, latents: ArrayLike, slope: PixelSlope) -> FloatArray:
        points = np.asarray(latents, dtype=np.float64)
        if not self.differentiable:
            return super().gradient(points, slope)
        slopes = slope(self._pixels(points).astype(np.float32)).reshape(len(points), -1)[:, : self.space.d]
        return slopes.astype(np.float64) * (0.0 if self._blank else 255 / (self._high - self._low))

    def _pixels(self, latents: FloatArray) -> FloatArray:
        flat = np.zeros((len(latents), self.shape[0] ** 2))
        if not self._blank:
            flat[:, : self.space.d] = (latents - self._low) * (255 / (self._high - self._low))
        return flat.reshape(-1, *self.shape)


class Slope(FunctionProblem):
    """A problem with gradients and a view: a peak at level 2 of every dimension, or at its last level.

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

    def view(self) -> View:
        return Drawn(self.space, differentiable=True)


class Noisy:
    """The peak under so much noise that the luckiest value says little; the noise depends on the query's number."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, candidates: IntArray) -> FloatArray:
        return near(candidates) + self._rng.normal(0, 0.5, len(candidates))
