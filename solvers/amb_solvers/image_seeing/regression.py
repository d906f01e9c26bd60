"""Bayesian linear regression on groups of features, with the groups' weights and the noise by marginal likelihood."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

from amb.contracts.space import FloatArray

Matrix = NDArray[np.float32]
LOWEST, HIGHEST = -7.0, 4.0
"""Bounds of the logarithms of the groups' variances and of the noise, for values of unit variance."""
PRIOR_MEAN, PRIOR_DEVIATION = -1.0, 2.5
"""Of these logarithms: a weak prior, which decides only as long as there are few values."""
ITERATIONS = 25


class Regression:
    """A linear function of features whose weights have a normal prior, one variance for each group of features.

    Values are standardized here. The kernel is the weighted sum of the groups' linear kernels and a constant.

    Args:
        groups: where each group's features are; the features of a group have about unit total variance.
    """

    def __init__(self, groups: Sequence[slice]) -> None:
        self.groups = list(groups)
        self._log = np.full(len(self.groups) + 1, PRIOR_MEAN)  # the groups' variances, and the noise
        self.features: Matrix = np.empty((0, groups[-1].stop), np.float32)
        self.values: FloatArray = np.empty(0)
        self._kernels: list[FloatArray] = [np.empty((0, 0)) for _ in self.groups]
        self._variances = np.exp(self._log[:-1])

    def add(self, features: Matrix, values: FloatArray) -> None:
        """Take more rows; `fit` before the next prediction."""
        for k, group in enumerate(self.groups):
            new = features[:, group].astype(np.float64)
            across = new @ self.features[:, group].astype(np.float64).T
            self._kernels[k] = np.block([[self._kernels[k], across.T], [across, new @ new.T]])
        self.features = np.concatenate([self.features, features])
        self.values = np.concatenate([self.values, values])

    def keep(self, rows: NDArray[np.intp]) -> None:
        """Forget all rows but these."""
        self.features, self.values = self.features[rows], self.values[rows]
        self._kernels = [kernel[np.ix_(rows, rows)] for kernel in self._kernels]

    @property
    def flat(self) -> bool:
        """Whether there is nothing to learn: no values, or all equal."""
        return not len(self.values) or bool((self.values == self.values[0]).all())

    @property
    def noise(self) -> float:
        """Variance of the noise, in units of the values' variance."""
        return float(np.exp(self._log[-1]))

    def fit(self) -> None:
        """Choose variances and noise by marginal likelihood, from those of the last fit on."""
        scaled = self.values / (np.abs(self.values).max() or 1.0)  # squares of huge values overflow
        self._targets = (scaled - scaled.mean()) / (scaled.std() or 1.0)
        if not self.flat:
            bounds = [(LOWEST, HIGHEST)] * len(self._log)
            found = minimize(
                self._loss, self._log, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": ITERATIONS}
            )
            if np.isfinite(found.fun):
                self._log = found.x
        variances = np.exp(self._log)
        self._variances = variances[:-1]
        self._covariance = self._weighted() + variances[-1] * np.eye(len(self.values))
        self._factor = cho_factor(self._covariance, lower=True)

    def mean(self) -> Matrix:
        """The weights' posterior mean, float32[features]: ``features @ weights`` ranks images."""
        return self._weights(cho_solve(self._factor, self._targets[:, None]))[0]

    def draws(self, number: int, rng: np.random.Generator) -> Matrix:
        """Draws of the weights from their posterior, float32[number, features], by Matheron's rule."""
        width = self.features.shape[1]
        prior = rng.standard_normal((number, width), dtype=np.float32)
        for group, variance in zip(self.groups, self._variances, strict=True):
            prior[:, group] *= np.float32(np.sqrt(variance))
        if not len(self.values):
            return prior
        constant = rng.standard_normal(number)
        noise = np.sqrt(self.noise) * rng.standard_normal((len(self.values), number))
        residual = self._targets[:, None] - (self.features @ prior.T).astype(np.float64) - constant - noise
        return prior + self._weights(cho_solve(self._factor, residual))

    def _weights(self, residuals: FloatArray) -> Matrix:
        """Weights that the rows' residuals add, float32[number, features]."""
        found = residuals.T.astype(np.float32) @ self.features
        for group, variance in zip(self.groups, self._variances, strict=True):
            found[:, group] *= np.float32(variance)
        return found

    def _weighted(self) -> FloatArray:
        total = np.ones((len(self.values), len(self.values)))  # the constant's variance
        for variance, kernel in zip(self._variances, self._kernels, strict=True):
            total += variance * kernel
        return total

    def _loss(self, log: FloatArray) -> tuple[float, FloatArray]:
        """Negative log posterior of the variances, and its gradient (Rasmussen & Williams 2006, equation 5.9)."""
        variances = np.exp(log)
        self._variances = variances[:-1]
        covariance = self._weighted()
        covariance[np.diag_indices_from(covariance)] += variances[-1]
        factor = np.linalg.cholesky(covariance)
        half = solve_triangular(factor, np.eye(len(factor)), lower=True)
        inverse = half.T @ half
        solved = inverse @ self._targets
        inner = inverse - np.outer(solved, solved)
        slopes = [
            0.5 * variance * np.vdot(inner, kernel)
            for variance, kernel in zip(self._variances, self._kernels, strict=True)
        ]
        slopes.append(0.5 * variances[-1] * np.trace(inner))
        away = (log - PRIOR_MEAN) / PRIOR_DEVIATION
        loss = 0.5 * self._targets @ solved + np.log(np.diag(factor)).sum() + 0.5 * away @ away
        return float(loss), np.array(slopes) + away / PRIOR_DEVIATION
