"""Local search on the grid, with restarts."""

import numpy as np

from amb.contracts.batches import BatchSolver
from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SpecError
from amb_solvers.search.neighbours import neighbours
from amb_solvers.shared.ranking import best_first


class LocalSearch(BatchSolver):
    """Hill climbing over neighbours that differ in one dimension, restarted from the prior at a local optimum.

    The best of `k` neighbours becomes the current point if it is better. After `patience` neighbours without
    improvement the point counts as a local optimum and the search restarts from the prior. On ordinal spaces a
    neighbour's level is at most `reach` away; on categorical spaces it is any other level. A failed query is never an
    improvement. The start is the best of `k` draws; if all of them fail, new ones are drawn.

    Args:
        k: neighbours measured before a move.
        reach: largest step, as a share of a dimension's levels; at least one level.
        patience: neighbours without improvement before a restart; 0 means two per dimension.
    """

    foreign = True  # the best of them becomes the current point if it is better
    forked = True
    failed_queries = "is never an improvement"
    source = "Aarts & Lenstra 1997, Local Search in Combinatorial Optimization, chapter 1"

    def __init__(
        self, space: Space, *, budget: int, seed: int, k: int = 5, reach: float = 0.25, patience: int = 0
    ) -> None:
        super().__init__(space, budget=budget, seed=seed)
        if k < 1 or not 0 < reach <= 1 or patience < 0:
            raise SpecError(
                f"expected k >= 1, 0 < reach <= 1, patience >= 0, got k={k}, reach={reach}, patience={patience}"
            )
        self.k, self.reach, self.patience = k, reach, patience or 2 * space.d
        self._point: IntArray | None = None
        self._value = -np.inf
        self._failures = 0

    def _generate(self) -> IntArray:
        if self._point is None:
            return self.space.sample_prior(self.k, self.rng)
        return neighbours(self._point, self.k, self.space, self.reach, self.rng)

    def _absorb(self, candidates: IntArray, values: FloatArray) -> None:
        best = best_first(values)
        if len(best) and values[best[0]] > self._value:
            self._point, self._value, self._failures = candidates[best[0]].copy(), float(values[best[0]]), 0

    def _learn(self, values: FloatArray) -> None:
        best = best_first(values)
        if len(best) and (self._point is None or values[best[0]] > self._value):
            self._point, self._value, self._failures = self._batch[best[0]].copy(), float(values[best[0]]), 0
            return
        self._failures += len(values)
        if self._failures >= self.patience:
            self._point, self._failures = None, 0
