"""What the loop knows: the pool and the images shown, their features, and the regression of responses on them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from amb.contracts.space import FloatArray, IntArray
from amb.contracts.view import View
from amb_solvers.image_seeing.ascent import Ascent, mutated
from amb_solvers.image_seeing.features import Features
from amb_solvers.image_seeing.networks import banks
from amb_solvers.image_seeing.regression import Regression

Matrix = NDArray[np.float32]

INCUMBENTS = 3
"""The best candidates so far, at which climbs of the posterior mean start."""
MOST_ROWS = 600
"""Rows of the regression; of more, the best and the latest halves are kept."""
PARENTS = 16
"""The best candidates so far, whose offspring are shown when the climbs no longer find better ones."""
QUIET = 0.02
"""Noise of a smaller share of the values' variance is taken for misfit of the features, and values for exact."""
NEIGHBOUR = 1 / 16
"""Share of the dimensions in which a candidate that was shown before is changed."""


class Model:
    """The state of a search.

    Args:
        view: the generator.
        names: of the features.
        pool_candidates: int64[n, d], draws of the prior; they are rendered here.
        steps, rate: of climbs.
    """

    def __init__(self, view: View, names: Sequence[str], pool_candidates: IntArray, *, steps: int, rate: float) -> None:
        self._view = view
        images = view.images(pool_candidates)
        self._features = Features(banks(names, view.shape, images), images)
        self._ascent = Ascent(view, self._features, steps=steps, rate=rate)
        self._regression = Regression(self._features.groups)
        self.pool_candidates, self._pool = pool_candidates, self._features.sample
        self._shown: IntArray = np.empty((0, pool_candidates.shape[1]), np.int64)
        self._shown_features: Matrix = np.empty((0, self._pool.shape[1]), np.float32)
        self._values: FloatArray = np.empty(0)
        self._fitted = False
        self._stalled = 0  # batches since the best value rose

    @property
    def queries(self) -> int:
        """Candidates shown so far, failed ones included."""
        return len(self._values)

    def add(self, candidates: IntArray, values: FloatArray) -> None:
        """Take the values of candidates, NaN for those that failed."""
        features = self._features(self._view.images(candidates))
        self._shown = np.concatenate([self._shown, candidates])
        self._shown_features = np.concatenate([self._shown_features, features])
        self._values = np.concatenate([self._values, values])
        known = ~np.isnan(values)
        before = self._regression.values.max(initial=-np.inf)
        self._stalled = 0 if values[known].max(initial=-np.inf) > before else self._stalled + 1
        self._regression.add(features[known], values[known])
        if len(self._regression.values) > MOST_ROWS:
            self._regression.keep(_best_and_latest(self._regression.values, MOST_ROWS))
        self._fitted = False

    def propose(self, number: int, means: int, rng: np.random.Generator) -> IntArray:
        """Candidates int64[number, d]: `means` from the posterior mean, the others each from a draw of its own.

        Features that tell what excites a neuron may not tell what excites it still more. So each batch without a better
        value hands one eighth of the next over to a local search that needs no features, up to a half: offspring of the
        best candidates so far.
        """
        self._fit()
        weights = self._regression.draws(number, rng)
        starts = self._starts(weights)
        if means and not self._regression.flat:
            weights[-means:] = self._regression.mean()
            leaders = np.argsort(-np.nan_to_num(self._values, nan=-np.inf), kind="stable")[:INCUMBENTS]
            starts[-means:] = self._shown[np.resize(leaders, means)]
        local = 0 if self._regression.flat else min(number // 2, self._stalled * number // 8)
        climbed = self._ascent.climb(starts[local:], weights[local:], rng)
        return self._unseen(np.concatenate([self._offspring(local, rng), climbed]), rng)

    def _offspring(self, number: int, rng: np.random.Generator) -> IntArray:
        """Uniform crossovers of two of the best candidates, int64[number, d]."""
        order = np.argsort(-np.nan_to_num(self._values, nan=-np.inf), kind="stable")
        first = self._shown[order[rng.integers(min(INCUMBENTS, len(order)), size=number)]]
        second = self._shown[order[rng.integers(min(PARENTS, len(order)), size=number)]]
        return np.where(rng.random(first.shape) < 0.5, first, second)

    def recommended(self) -> IntArray | None:
        """The candidate shown whose noise-free value is predicted to be highest; None where values are exact."""
        self._fit()
        if self._regression.flat or self._regression.noise < QUIET:
            return None
        smooth = self._shown_features @ self._regression.mean()
        smooth = np.where(np.isnan(self._values), -np.inf, smooth)
        best: IntArray = self._shown[int(smooth.argmax())].copy()
        return best

    def _fit(self) -> None:
        if not self._fitted and len(self._regression.values):
            self._regression.fit()
            self._fitted = True

    def _starts(self, weights: Matrix) -> IntArray:
        """For each row of weights the best of the pool and of what was shown."""
        pool, shown = self._pool @ weights.T, self._shown_features @ weights.T
        candidates = np.concatenate([self.pool_candidates, self._shown])
        starts: IntArray = candidates[np.concatenate([pool, shown]).argmax(axis=0)]
        return starts

    def _unseen(self, candidates: IntArray, rng: np.random.Generator) -> IntArray:
        """The candidates, those that were shown before or occur twice changed a little."""
        seen = {row.tobytes() for row in self._shown}
        result = candidates.copy()
        for row in range(len(result)):
            if result[row].tobytes() in seen:
                result[row] = mutated(self._view.space, result[row : row + 1], NEIGHBOUR, rng)[0]
            seen.add(result[row].tobytes())
        return result


def _best_and_latest(values: FloatArray, number: int) -> NDArray[np.intp]:
    """Positions of the best half and, of the others, of the latest ones; `number` in all, ascending."""
    best = np.argsort(-values, kind="stable")[: number // 2]
    others = np.setdiff1d(np.arange(len(values)), best)
    return np.sort(np.concatenate([best, others[-(number - len(best)) :]]))
