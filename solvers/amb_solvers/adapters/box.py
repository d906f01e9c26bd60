"""The box that other packages' optimizers search: the dimensions of a space that have a choice."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from amb.contracts.solver import Rows
from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SolverError
from amb_solvers.shared.latent_box import prior_moments


class Box:
    """The free dimensions of a space, as a box of real coordinates.

    Coordinates are latents or, on request, level numbers from 0. Dimensions with a single level are left out.

    Args:
        space: the whole space.
        levels: whether coordinates are level numbers; a categorical space has no others.

    Attributes:
        lower, upper: ends of every free dimension, float64[k].
        free: their numbers, int64[k].
    """

    def __init__(self, space: Space, *, levels: bool = False) -> None:
        self.space, self.levels = space, levels
        self.free: IntArray = np.flatnonzero(space.levels > 1)
        if levels:
            self.lower = np.zeros(len(self.free))
            self.upper = (space.levels[self.free] - 1).astype(np.float64)
        else:
            self.lower = np.full(len(self.free), space.low)
            self.upper = np.full(len(self.free), space.high)

    @property
    def bounds(self) -> list[tuple[float, float]]:
        """Lowest and highest value of every free dimension."""
        return list(zip(self.lower.tolist(), self.upper.tolist(), strict=True))

    def mean(self) -> FloatArray:
        """The mean of the prior, float64[k]; of level numbers, the middle."""
        if self.levels:
            return (self.lower + self.upper) / 2
        return np.full(len(self.free), prior_moments(self.space)[0])

    def sample(self, rng: np.random.Generator) -> FloatArray:
        """A point drawn from the prior, float64[k]."""
        candidate = self.space.sample_prior(1, rng)
        row = candidate[0] if self.levels else self.space.decode(candidate)[0]
        return row[self.free].astype(np.float64)

    def rows(self, points: ArrayLike | Sequence[ArrayLike]) -> Rows:
        """Points of the box as what `_ask` returns: latents float64[n, d], or levels int64[n, d].

        Raises:
            SolverError: points of a wrong shape, or NaN.
        """
        given = np.asarray(points, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != len(self.free) or np.isnan(given).any():
            said = "NaN" if np.isnan(given).any() else f"shape {list(given.shape)}"
            raise SolverError(
                f"the optimizer asked for points with {said}; expected numbers of shape [n, {len(self.free)}]"
            )
        if self.levels:
            rows = np.zeros((len(given), self.space.d), dtype=np.int64)
            rows[:, self.free] = np.rint(np.clip(given, self.lower, self.upper))
            return rows
        whole = self.space.decode(np.zeros((1, self.space.d), dtype=np.int64))
        latents = np.repeat(whole, len(given), axis=0)
        latents[:, self.free] = given
        return latents
