"""A Gaussian process on latents: fitted by marginal likelihood, read by its mean and by draws of whole functions."""

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve, cholesky, solve_triangular

from amb.contracts.space import FloatArray
from amb_solvers.trust_region.draws import Draws
from amb_solvers.trust_region.kernel import Kernel, pairs

LINEAR = (0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 0.95)
LENGTHS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0)
NOISES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
GRID = (LINEAR, LENGTHS, NOISES)
"""The kernels that are tried."""
BEGINNING = (3, 3, 4)
"""Positions in `GRID` of the kernel at the start."""
ROWS = 150
"""Rows by which kernels are compared, half of them the best and half the latest."""


class GaussianProcess:
    """Regression of targets on points, with the kernel of the highest marginal likelihood.

    Which kernel that is changes slowly, so that every fit compares the last one with its neighbours in `GRID` only.
    """

    def __init__(self) -> None:
        self._place = BEGINNING
        self._points: FloatArray = np.empty((0, 0))
        self._targets: FloatArray = np.empty(0)
        self._products: FloatArray = np.empty((0, 0))
        self._squares: FloatArray = np.empty((0, 0))
        self._factor: FloatArray = np.empty((0, 0))
        self._variance = 1.0

    @property
    def kernel(self) -> Kernel:
        """The kernel in use."""
        return _kernel(self._place)

    def fit(self, points: FloatArray, targets: FloatArray, *, search: bool) -> None:
        """Take points float64[n, d] and targets float64[n] of mean zero; `search` compares kernels first."""
        self._points, self._targets = points, targets
        self._products, self._squares = pairs(points, points)
        if search:
            self._place = self._likeliest()
        self._factor = self._factorized(self.kernel, np.arange(len(targets)))
        half = solve_triangular(self._factor, targets, lower=True, check_finite=False)
        self._variance = float(half @ half / len(targets))

    def mean(self, points: FloatArray | None = None) -> FloatArray:
        """The posterior mean at points float64[m, d], or at those that were fitted."""
        weights = cho_solve((self._factor, True), self._targets, check_finite=False)
        shared = (self._products, self._squares) if points is None else pairs(points, self._points)
        return self.kernel.combined(*shared) @ weights

    def draws(self, number: int, boldness: float, rng: np.random.Generator) -> Draws:
        """Functions drawn from the posterior by Matheron's rule, with `boldness` times its standard deviation."""
        drawn = Draws(self.kernel, self._points, number, boldness * np.sqrt(self._variance), rng)
        residuals = self._targets - drawn.prior(self._points) - drawn.noise(len(self._targets), rng)
        drawn.weights = cho_solve((self._factor, True), residuals.T, check_finite=False).T
        return drawn

    def _likeliest(self) -> tuple[int, int, int]:
        """The place of the best kernel among the neighbours of the present one."""
        rows = best_and_latest(self._targets, ROWS)
        targets = self._targets[rows]
        found, best = self._place, -np.inf
        for place in _neighbours(self._place):
            try:
                factor = self._factorized(_kernel(place), rows)
            except LinAlgError:
                continue
            half = solve_triangular(factor, targets, lower=True, check_finite=False)
            likelihood = -0.5 * len(rows) * np.log(max(half @ half / len(rows), 1e-12)) - np.log(np.diag(factor)).sum()
            if likelihood > best:
                found, best = place, likelihood
        return found

    def _factorized(self, kernel: Kernel, rows: NDArray[np.intp]) -> FloatArray:
        block = np.ix_(rows, rows)
        covariance = kernel.combined(self._products[block], self._squares[block])
        covariance[np.diag_indices_from(covariance)] += kernel.noise
        return np.asarray(cholesky(covariance, lower=True, check_finite=False))


def best_and_latest(values: FloatArray, number: int) -> NDArray[np.intp]:
    """Positions of the best half and, of the others, of the latest ones; `number` in all, ascending."""
    if len(values) <= number:
        return np.arange(len(values))
    best = np.argsort(-values, kind="stable")[: number // 2]
    others = np.setdiff1d(np.arange(len(values)), best)
    return np.sort(np.concatenate([best, others[len(best) - number :]]))


def _kernel(place: tuple[int, int, int]) -> Kernel:
    linear, length, noise = place
    return Kernel(LINEAR[linear], LENGTHS[length], NOISES[noise])


def _neighbours(place: tuple[int, int, int]) -> Iterator[tuple[int, int, int]]:
    yield from product(*(range(max(at - 1, 0), min(at + 2, len(axis))) for at, axis in zip(place, GRID, strict=True)))
