"""Simulated annealing on the grid."""

import numpy as np

from amb.contracts.batches import BatchSolver
from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SpecError
from amb_solvers.search.neighbours import neighbours


class Annealing(BatchSolver):
    """Metropolis steps to neighbours that differ in one dimension, while a temperature falls geometrically.

    A neighbour that is worse by `delta` is accepted with probability exp(-delta / temperature). The temperature falls
    from `hot` to `cold` over the budget, so runs of different budgets differ. The search starts at a draw of the
    prior. A failed query is never accepted.

    Args:
        hot, cold: first and last temperature, in units of activation.
        reach: largest step on ordinal spaces, as a share of a dimension's levels; at least one level.
    """

    anytime = False
    forked = True
    failed_queries = "is never accepted"
    source = "Kirkpatrick, Gelatt & Vecchi 1983, Science 220, 671-680"

    def __init__(
        self,
        space: Space,
        *,
        budget: int,
        seed: int,
        hot: float = 0.05,
        cold: float = 0.0005,
        reach: float = 0.25,
    ) -> None:
        super().__init__(space, budget=budget, seed=seed)
        if not 0 < cold <= hot or not 0 < reach <= 1:
            raise SpecError(f"expected 0 < cold <= hot and 0 < reach <= 1, got cold={cold}, hot={hot}, reach={reach}")
        self.hot, self.cold, self.reach = hot, cold, reach
        self._point: IntArray | None = None
        self._value = -np.inf

    @property
    def temperature(self) -> float:
        """The current temperature."""
        return float(self.hot * (self.cold / self.hot) ** (self.asked / self.budget))

    def _generate(self) -> IntArray:
        if self._point is None:
            return self.space.sample_prior(1, self.rng)
        return neighbours(self._point, 1, self.space, self.reach, self.rng)

    def _learn(self, values: FloatArray) -> None:
        threshold = self._value + self.temperature * np.log(1 - self.rng.random())  # uniform over (0, 1]
        if values[0] >= threshold or (self._point is None and not np.isnan(values[0])):  # NaN is never above
            self._point, self._value = self._batch[0].copy(), float(values[0])
