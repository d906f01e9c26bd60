"""Separable natural evolution strategy whose population grows with the number of queries."""

import numpy as np

from amb.contracts.space import FloatArray, Space
from amb.errors import SpecError
from amb_solvers.evolution.snes import SNES
from amb_solvers.shared.cma_defaults import population


class GrowingSNES(SNES):
    """`snes` that starts with a small population and lets it grow with the square root of the queries.

    Small populations climb faster, large ones get further. The first `hold` queries are spent on populations of `k`;
    after n queries a population has ``k sqrt(n / hold)`` candidates, up to `most`, so the budget need not be known.
    Everything else is as in `snes`.

    Args:
        k: population size of the first `hold` queries.
        scale: initial step size in standard deviations of the prior.
        hold: queries before the population begins to grow.
        most: largest population; 0 means that of `snes`, ``4 + 3 log d``, or `k` if that is more.
    """

    version = "2"
    source = "this project: `snes` (Schaul, Glasmachers & Schmidhuber 2011, GECCO) with a growing population"

    def __init__(
        self,
        space: Space,
        *,
        budget: int,
        seed: int,
        k: int = 10,
        scale: float = 1.0,
        hold: int = 200,
        most: int = 0,
    ) -> None:
        if k < 2 or hold < 1 or (most and most < k):
            raise SpecError(
                f"expected k >= 2, hold >= 1, and most = 0 or most >= k, got k={k}, hold={hold}, most={most}"
            )
        super().__init__(space, budget=budget, seed=seed, k=k, scale=scale)
        self._first = k
        self._hold = hold
        self._most = most or max(k, population(space.d))
        self._queries = 0

    def _generate(self) -> FloatArray:
        size = self._first * np.sqrt(max(1.0, self._queries / self._hold))
        self.k = min(self._most, round(size))
        self._queries += self.k
        return super()._generate()
