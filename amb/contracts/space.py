"""The latent grid on which solvers search."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amb.contracts.real_numbers import as_numbers, is_masked
from amb.errors import CandidateError, SpecError
from amb.spec import as_text, explained, whole_number
from amb.text import plural

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

LEVELS = 1 << 16
"""Levels that a dimension may have: traces on disk keep 16 bits of each."""
DIMENSIONS = 1 << 16
"""Dimensions that a candidate may have."""
_COORDINATES = 1 << 26
"""Dimensions times levels: half a gigabyte."""
_CHOICES = {"kind": ("ordinal", "categorical"), "prior": ("normal", "uniform"), "grid": ("even", "quantile")}
FARTHEST = 1e100
"""Largest coordinate of an axis, so that sums and differences of coordinates stay finite."""


@dataclass(frozen=True, eq=False, repr=False)
class Space:
    """A grid of `d` dimensions; dimension `j` has `levels[j]` levels.

    An *ordinal* space discretizes a latent box: its levels have coordinates in [`low`, `high`]. A
    *categorical* space numbers codes that have no order; its coordinates are the indices themselves.

    Args:
        levels: number of levels of each dimension, int[d], all at least 1.
        kind: "ordinal" or "categorical".
        low: the lower end of every axis of an ordinal space, in the latent's own units.
        high: the upper end.
        prior: the distribution from which the generator's latents come, independent for each dimension:
            "normal" is N(0, 1), "uniform" is uniform over the box (over the codes, if categorical).
        grid: "even" places levels evenly from `low` to `high` (the paper, section 3.2.2: 64 in [-4, 4]);
            "quantile" places them at the prior's quantiles (i + 1/2) / n, so that a uniform grid point is
            a draw from the (discretized) prior; of a uniform prior, evenly from `low` to `high`, too.

    Raises:
        SpecError: levels that are not positive integers, too many of them, `low >= high`, an infinite end, or an
            unknown kind, prior or grid.
    """

    levels: IntArray
    kind: Literal["ordinal", "categorical"] = "ordinal"
    low: float = -4.0
    high: float = 4.0
    prior: Literal["normal", "uniform"] = "normal"
    grid: Literal["even", "quantile"] = "even"
    _axes: tuple[FloatArray, ...] = field(init=False, repr=False)
    _table: FloatArray = field(init=False, repr=False)  # the axes as rows, padded with NaN
    _columns: IntArray = field(init=False, repr=False)  # 0..d-1
    _alike: tuple[tuple[IntArray, FloatArray], ...] = field(init=False, repr=False)  # dimensions of one axis, and it

    def __post_init__(self) -> None:
        levels = np.array(() if is_masked(self.levels) else self.levels)
        if levels.ndim != 1 or levels.size == 0 or levels.dtype.kind not in "iu" or levels.min() < 1:
            raise SpecError(f"levels must be a non-empty vector of integers >= 1, got {self.levels!r}")
        d, most = levels.size, int(levels.max())
        if d > DIMENSIONS or most > LEVELS or d * most > _COORDINATES:  # before anything of that size is made
            raise SpecError(
                f"{d:,} dimensions of up to {most:,} levels are too many: the limits are {DIMENSIONS:,} of each, and "
                f"{_COORDINATES:,} in all"
            )
        for what, choices in _CHOICES.items():
            if as_text(getattr(self, what), what) not in choices:
                raise SpecError(f"{what} must be {' or '.join(map(repr, choices))}, got {getattr(self, what)!r:.80}")
        for what, end in (("low", self.low), ("high", self.high)):
            if isinstance(end, bool) or not isinstance(end, int | float | np.integer | np.floating):
                raise SpecError(f"{what} must be a number, got {end!r:.50}")
        # A number of numpy's is compared in its own precision, in which the farthest may be infinite.
        low, high = (float(end) if isinstance(end, np.floating) else end for end in (self.low, self.high))
        if self.kind == "ordinal" and not -FARTHEST <= low < high <= FARTHEST:
            raise SpecError(f"low must be below high, both finite, got {str(self.low)[:50]} and {str(self.high)[:50]}")
        levels = levels.astype(np.int64)
        levels.setflags(write=False)
        object.__setattr__(self, "levels", levels)
        axes = {int(n): self._axis(int(n)) for n in np.unique(levels)}
        object.__setattr__(self, "_axes", tuple(axes[int(n)] for n in levels))
        object.__setattr__(self, "_alike", tuple((np.flatnonzero(levels == n), axis) for n, axis in axes.items()))
        table = np.full((levels.size, int(levels.max())), np.nan)
        for row, axis in zip(table, self._axes, strict=True):
            row[: axis.size] = axis
        object.__setattr__(self, "_table", _readonly(table))
        object.__setattr__(self, "_columns", np.arange(levels.size))

    @classmethod
    @explained("amb.Space.uniform")
    def uniform(cls, d: int, n: int, **options: object) -> "Space":
        """A space of `d` dimensions with `n` levels each; `options` are those of the class."""
        d = whole_number(d, "the number of dimensions", 1, DIMENSIONS)
        return cls(np.full(d, whole_number(n, "the number of levels", 1, LEVELS)), **options)  # type: ignore[arg-type]

    @property
    def d(self) -> int:
        """Number of dimensions."""
        return self.levels.size

    def __repr__(self) -> str:
        axes = f", {self.grid} grid in [{self.low:g}, {self.high:g}]" if self.kind == "ordinal" else ""
        return f"<{self.kind} space: {self.size}{axes}, {self.prior} prior>"

    @property
    def size(self) -> str:
        """Dimensions and levels in words: "128 dimensions of 64 levels"."""
        least, most = int(self.levels.min()), int(self.levels.max())
        levels = f"{most:,}" if least == most else f"{least:,} to {most:,}"
        return f"{plural(self.d, 'dimension')} of {levels} levels"

    @property
    def ordinal(self) -> bool:
        return self.kind == "ordinal"

    def axis(self, dimension: int) -> FloatArray:
        """Coordinates of the levels of one dimension, float64[levels[dimension]], increasing."""
        return self._axes[dimension]

    def decode(self, candidates: ArrayLike) -> FloatArray:
        """Latent coordinates of grid points.

        Args:
            candidates: int[n, d].

        Returns:
            float64[n, d]; for a categorical space, the indices as numbers.

        Raises:
            CandidateError: wrong shape, type or range.
        """
        return self.decode_checked(self.check(candidates))

    def decode_checked(self, candidates: IntArray) -> FloatArray:
        """`decode` without the check, for candidates that have passed `check` already.

        Nothing is refused here: a level outside the grid gives a wrong latent or an `IndexError`.
        """
        if not self.ordinal:
            return candidates.astype(np.float64)
        return self._table[self._columns, candidates]

    def between(self, levels: ArrayLike) -> FloatArray:
        """Latent coordinates of real level numbers: linear between two levels, clipped at the ends.

        `nearest` maps them back to the nearest level number, so a solver may work in level numbers and still be
        rounded by the same function as all others.

        Args:
            levels: float[n, d].

        Returns:
            float64[n, d].

        Raises:
            CandidateError: wrong shape, or no real numbers.
        """
        numbers = self.real_rows(levels, "levels")
        latents = np.empty(numbers.shape)
        for dimensions, axis in self._alike:
            latents[:, dimensions] = np.interp(numbers[:, dimensions], np.arange(axis.size), axis)
        return latents

    def nearest(self, latents: ArrayLike) -> IntArray:
        """The grid points nearest to latent coordinates; points outside the box go to its edge.

        A point halfway between two levels goes to the lower one. All rounding in `amb` happens here, so a
        continuous solver and its problem never disagree.

        Args:
            latents: float[n, d], finite or infinite but not NaN.

        Raises:
            CandidateError: wrong shape, no real numbers, or a NaN.
        """
        points = self.real_rows(latents, "latents")
        if np.isnan(points).any():
            raise CandidateError("latents must not contain NaN: has a continuous solver diverged?")
        index = np.empty(points.shape, dtype=np.int64)
        for dimensions, axis in self._alike:
            halfway = (axis[1:] + axis[:-1]) / 2
            index[:, dimensions] = np.searchsorted(halfway, points[:, dimensions], side="left")
        return index

    def real_rows(self, given: ArrayLike, what: str) -> FloatArray:
        """A copy of real numbers as float64[n, d]; `what` names them in errors.

        Raises:
            CandidateError: wrong shape, or no real numbers.
        """
        rows = self._rows(given, what)
        if rows.dtype.kind not in "fiuO":
            raise CandidateError(f"{what} must be real numbers, got {rows.dtype}")
        try:
            return as_numbers(rows)
        except ValueError as cause:
            raise CandidateError(f"{what} must be real numbers: {cause}") from cause

    def check(self, candidates: ArrayLike) -> IntArray:
        """A copy of the candidates as int64[n, d].

        Raises:
            CandidateError: wrong shape, type or range.
        """
        index = self._rows(candidates, "candidates")
        if index.dtype.kind not in "iu":
            raise CandidateError(f"candidates must be integers, got {index.dtype}")
        index = index.copy()  # what is checked is what is returned, whatever a thread of its owner writes meanwhile
        bad = (index < 0) | (index >= self.levels)
        if bad.any():
            row, j = (int(x) for x in np.argwhere(bad)[0])
            raise CandidateError(
                f"candidate {row} has level {index[row, j]} in dimension {j}, whose levels are 0..{self.levels[j] - 1}"
            )
        return index.astype(np.int64, copy=False)

    def sample(self, n: int, rng: np.random.Generator) -> IntArray:
        """Points drawn uniformly from the grid, int64[n, d]."""
        return rng.integers(0, self.levels, size=(n, self.d), dtype=np.int64)

    def sample_prior(self, n: int, rng: np.random.Generator) -> IntArray:
        """Draws from the generator's prior, rounded to the grid, int64[n, d]."""
        if not self.ordinal or self.prior == "uniform":
            return self.sample(n, rng)
        return self.nearest(rng.standard_normal((n, self.d)))

    def _rows(self, given: ArrayLike, what: str) -> "NDArray[Any]":
        refuse_masked(given, what)
        try:
            rows = np.asarray(given)
        except (TypeError, ValueError, RuntimeError, OverflowError) as cause:  # ragged rows; a tensor with gradients
            raise CandidateError(f"{what} must be numbers of shape [n, {self.d}]: {cause}") from cause
        if rows.ndim != 2 or rows.shape[1] != self.d:
            raise CandidateError(f"{what} must have shape [n, {self.d}], got {_shape(rows, given)}")
        return rows

    def _axis(self, n: int) -> FloatArray:
        if self.kind == "categorical":
            return _readonly(np.arange(n, dtype=np.float64))
        return _ordinal_axis(n, float(self.low), float(self.high), self.prior, self.grid)


Space.__init__ = explained("amb.Space")(Space.__init__)  # type: ignore[method-assign]


@lru_cache(maxsize=256)
def _ordinal_axis(n: int, low: float, high: float, prior: str, grid: str) -> FloatArray:
    if n == 1:
        return _readonly(np.array([(low + high) / 2]))
    if grid == "even" or prior == "uniform":
        return _readonly(np.linspace(low, high, n))
    from scipy.special import ndtri

    return _readonly(np.clip(ndtri((np.arange(n) + 0.5) / n), low, high))


def _readonly(array: FloatArray) -> FloatArray:
    array.setflags(write=False)
    return array


def refuse_masked(given: object, what: str) -> None:
    """Refuse a masked array: its data behind the mask are not values.

    Raises:
        CandidateError: it is one.
    """
    if is_masked(given):
        raise CandidateError(f"{what} must not be masked")


def _shape(array: "NDArray[Any]", given: object) -> str:
    """The shape of an array, or, without one, what was given instead of an array: None, or a text."""
    return f"{list(array.shape)}" if array.ndim else f"{given!r:.60}"
