"""What a search knows: the candidates with their values, and what the process says about them."""

import numpy as np
from numpy.typing import NDArray

from amb.contracts.space import FloatArray, IntArray, Space
from amb_solvers.shared.latent_box import prior_moments
from amb_solvers.trust_region.gaussian_process import GaussianProcess, best_and_latest

WINDOW = 400
"""Rows of the regression; of more, the best and the latest halves are taken."""
EVERY = 5
"""Fits for which one choice of the kernel lasts."""
NEIGHBOUR = 1 / 16
"""Share of the dimensions in which a candidate that was measured before is moved."""


class Knowledge:
    """Candidates, their values, and a Gaussian process of the standardized values.

    Points have coordinates of mean zero and unit variance under the prior. They are those of the grid, so that errors
    of rounding do not pass from one batch to the next.

    Args:
        space: to search.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self._mean, self._deviation = prior_moments(space)
        self.candidates: IntArray = np.empty((0, space.d), dtype=np.int64)
        self.values: FloatArray = np.empty(0)
        self.process = GaussianProcess()
        self.noisy = False
        """Whether a candidate that was measured again had another value."""
        self._known: dict[bytes, float] = {}
        self._fits = 0
        self._window: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._stale = True

    def add(self, candidates: IntArray, values: FloatArray) -> None:
        """Take the values of candidates, NaN for those that failed."""
        there = ~np.isnan(values)
        for row, value in zip(candidates[there], values[there], strict=True):
            self.noisy |= self._known.setdefault(row.tobytes(), float(value)) != value
        self.candidates = np.concatenate([self.candidates, candidates[there]])
        self.values = np.concatenate([self.values, values[there]])
        self._stale = True

    @property
    def flat(self) -> bool:
        """Whether there is nothing to learn: no values, or all equal."""
        return not len(self.values) or bool((self.values == self.values[0]).all())

    def fit(self) -> None:
        """Fit the process to the rows of the window, if there are new ones."""
        if self._stale:
            self._window = best_and_latest(self.values, WINDOW)
            points = self.points(self.candidates[self._window])
            self.process.fit(points, standardized(self.values[self._window]), search=self._fits % EVERY == 0)
            self._fits += 1
            self._stale = False

    def leaders(self, number: int) -> NDArray[np.intp]:
        """Rows with the highest posterior means, the best first; `fit` before."""
        return self._window[ranked(self.process.mean())[:number]]

    def points(self, candidates: IntArray) -> FloatArray:
        """Where candidates are, float64[n, d]."""
        return (self.space.decode_checked(candidates) - self._mean) / self._deviation

    def nearest(self, points: FloatArray) -> IntArray:
        """The grid points nearest to points, int64[n, d]."""
        return self.space.nearest(self._mean + self._deviation * points)

    def unseen(self, candidates: IntArray, rng: np.random.Generator) -> IntArray:
        """The candidates, those that were measured or occur twice moved by one level in some dimensions."""
        seen, result = set(self._known), candidates.copy()
        for row in result:
            if row.tobytes() in seen:
                moved = rng.random(len(row)) < NEIGHBOUR
                row[moved] += rng.choice([-1, 1], size=len(row))[moved]
                np.clip(row, 0, self.space.levels - 1, out=row)
            seen.add(row.tobytes())
        return result


def standardized(values: FloatArray) -> FloatArray:
    """Values of mean zero and unit variance; equal ones are zero."""
    scaled = values / (np.abs(values).max() or 1.0)  # squares of huge values overflow
    centred = scaled - scaled.mean()
    return np.asarray(centred / (centred.std() or 1.0))


def ranked(means: FloatArray) -> NDArray[np.intp]:
    """Positions of posterior means, the highest first; a candidate's repeats are equal, however sums were rounded."""
    return np.argsort(-np.round(means, 9), kind="stable")
