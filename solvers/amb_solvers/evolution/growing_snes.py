"""Separable natural evolution strategy whose population grows with the number of queries."""

import numpy as np

from amb.contracts.space import FloatArray, Space
from amb.errors import SpecError
from amb_solvers.evolution.snes import SNES


class GrowingSNES(SNES):
    """`snes` that starts with a small population and lets it grow with the square root of the queries.

    Small populations climb faster, large ones get further. The first `hold` queries are spent on populations of `k`;
    after n queries a population has ``k sqrt(n / hold)`` candidates, so the budget need not be known. Everything
    else is as in `snes`.

    Args:
        k: population size of the first `hold` queries.
        scale: initial step size in standard deviations of the prior.
        hold: queries before the population begins to grow.
    """

    version = "1"
    source = "this project: `snes` (Schaul, Glasmachers & Schmidhuber 2011, GECCO) with a growing population"

    def __init__(
        self, space: Space, *, budget: int, seed: int, k: int = 10, scale: float = 1.0, hold: int = 200
    ) -> None:
        if k < 2 or hold < 1:
            raise SpecError(f"expected k >= 2 and hold >= 1, got k={k}, hold={hold}")
        super().__init__(space, budget=budget, seed=seed, k=k, scale=scale)
        self._first = k
        self._hold = hold
        self._queries = 0

    def _generate(self) -> FloatArray:
        self.k = round(self._first * np.sqrt(max(1.0, self._queries / self._hold)))
        self._queries += self.k
        return super()._generate()
