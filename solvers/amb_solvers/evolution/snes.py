"""Separable natural evolution strategy, by the published equations."""

import numpy as np

from amb.contracts.space import FloatArray, Space
from amb.errors import SpecError
from amb_solvers.shared.cma_defaults import population
from amb_solvers.shared.latent_box import BoxSolver, prior_moments
from amb_solvers.shared.ranking import best_first


class SNES(BoxSolver):
    """Separable natural evolution strategy: one mean and one step size for every coordinate.

    It starts at the prior's mean with the prior's standard deviation, so that the first population is a draw from
    the prior. The mean may leave the box of the levels; what is measured is rounded to the nearest level. Failed
    queries share the lowest utilities; if a whole population fails, nothing changes.

    Args:
        k: population size; 0 means ``4 + 3 log d``.
        scale: initial step size in standard deviations of the prior.
    """

    version = "2"
    forked = True
    failed_queries = "shares the lowest utilities"
    source = "Schaul, Glasmachers & Schmidhuber 2011, GECCO; Wierstra et al. 2014, JMLR 15, 949-980"

    def __init__(self, space: Space, *, budget: int, seed: int, k: int = 0, scale: float = 1.0) -> None:
        super().__init__(space, budget=budget, seed=seed)
        if k < 0 or k == 1 or not 0 < scale <= 1e6:
            raise SpecError(f"expected k = 0 or k >= 2, and 0 < scale <= 1e6, got k={k}, scale={scale}")
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
        # On a plateau the step sizes are random walks; no step needs to be wider than the box.
        width = self.space.high - self.space.low
        self._sigma = np.clip(self._sigma, 1e-6 * width, width)
