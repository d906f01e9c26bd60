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

MOST_ROWS = 600
"""Rows of the regression; of more, the best and the latest halves are kept."""
INCUMBENTS = 3
"""The best rows, at which climbs of the posterior mean start."""
PARENTS = 16
"""The best rows, whose offspring are shown when climbs no longer find better ones."""
QUIET = 0.02
"""Noise of a smaller share of the values' variance is taken for misfit of the features, and values for exact."""
NEIGHBOUR = 1 / 16
"""Share of the dimensions in which a candidate that was shown before is changed."""


class Model:
    """The state of a search. Its rows are candidates whose values are known.

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
        self._rows: IntArray = pool_candidates[:0]
        self._seen: set[bytes] = set()
        self._fitted = False
        self._stalled = 0  # batches since the best value rose
        self.queries = 0
        """Candidates shown so far, failed ones included."""

    def add(self, candidates: IntArray, values: FloatArray) -> None:
        """Take the values of candidates, NaN for those that failed."""
        known = ~np.isnan(values)
        before = self._regression.values.max(initial=-np.inf)
        self._stalled = 0 if values[known].max(initial=-np.inf) > before else self._stalled + 1
        self._seen.update(row.tobytes() for row in candidates)
        self.queries += len(candidates)
        self._rows = np.concatenate([self._rows, candidates[known]])
        self._regression.add(self._features(self._view.images(candidates))[known], values[known])
        if len(self._rows) > MOST_ROWS:
            kept = _best_and_latest(self._regression.values, MOST_ROWS)
            self._rows = self._rows[kept]
            self._regression.keep(kept)
        self._fitted = False

    def propose(self, number: int, means: int, rng: np.random.Generator) -> IntArray:
        """Candidates int64[number, d]: `means` from the posterior mean, the others each from a draw of its own.

        Features that tell what excites a neuron may not tell what excites it still more. So each batch without a better
        value hands one eighth of the next over to a local search that needs no features, up to a half: offspring of the
        best candidates so far.
        """
        self._fit()
        weights = self._regression.draws(number, rng)
        starts, flat = self._starts(weights), self._regression.flat
        if means and not flat:
            weights[-means:] = self._regression.mean()
            starts[-means:] = self._rows[np.resize(self._leaders(INCUMBENTS), means)]
        local = 0 if flat else min(number // 2, self._stalled * number // 8)
        climbed = self._ascent.climb(starts[local:], weights[local:], rng)
        return self._unseen(np.concatenate([self._offspring(local, rng), climbed]), rng)

    def recommended(self) -> IntArray | None:
        """The row whose noise-free value is predicted to be highest; None where values are exact."""
        self._fit()
        if self._regression.flat or self._regression.noise < QUIET:
            return None
        best: IntArray = self._rows[int((self._regression.features @ self._regression.mean()).argmax())].copy()
        return best

    def _fit(self) -> None:
        if not self._fitted and len(self._rows):
            self._regression.fit()
            self._fitted = True

    def _leaders(self, number: int) -> NDArray[np.intp]:
        """The best rows, the best first."""
        return np.argsort(-self._regression.values, kind="stable")[:number]

    def _starts(self, weights: Matrix) -> IntArray:
        """For each row of weights the best of the pool and of what was shown."""
        scores = np.concatenate([self._pool @ weights.T, self._regression.features @ weights.T])
        starts: IntArray = np.concatenate([self.pool_candidates, self._rows])[scores.argmax(axis=0)]
        return starts

    def _offspring(self, number: int, rng: np.random.Generator) -> IntArray:
        """Uniform crossovers of two of the best candidates, int64[number, d]."""
        if not number:
            return self._rows[:0]
        parents = self._leaders(PARENTS)
        first = self._rows[parents[rng.integers(min(INCUMBENTS, len(parents)), size=number)]]
        second = self._rows[parents[rng.integers(len(parents), size=number)]]
        return np.where(rng.random(first.shape) < 0.5, first, second)

    def _unseen(self, candidates: IntArray, rng: np.random.Generator) -> IntArray:
        """The candidates, those that were shown before or occur twice changed a little."""
        seen, result = set(self._seen), candidates.copy()
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
