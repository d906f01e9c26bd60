"""CMA-ES for noisy responses: it recommends an average of its means."""

from typing import Any

import numpy as np

from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SpecError
from amb_solvers.evolution.cma_es import CMAES


class MeanCMAES(CMAES):
    """CMA-ES for noise: it recommends an average of its means, not the luckiest candidate.

    The running average has a memory of so many populations, as the mean itself wanders under noise; it is that of the
    start whose last population was best on average. Rounded to the grid, it need not have been queried. Until a
    population is whole, the best value told is all there is.

    Args:
        memory: populations over which the mean is averaged; 1 is the last mean.
    """

    noisy = True
    source = "Hansen & Ostermeier 2001, Evol. Comput. 9, 159-195 (pycma 4); the average is this project's"

    def __init__(self, space: Space, *, budget: int, seed: int, memory: int = 20, **options: Any) -> None:
        super().__init__(space, budget=budget, seed=seed, **options)
        if memory < 1:
            raise SpecError(f"expected memory >= 1, got {memory}")
        self.memory = memory
        self._starts = 0
        self._averages: dict[int, tuple[float, FloatArray]] = {}  # by start: its last population's value, its mean

    def _start(self) -> Any:
        self._starts += 1
        return super()._start()

    def _learn(self, values: FloatArray) -> None:
        super()._learn(values)
        if self._strategy is None or np.isnan(values).all():
            return
        mean = np.array(self._strategy.mean)
        _, average = self._averages.get(self._starts, (0.0, mean))
        self._averages[self._starts] = float(np.nanmean(values)), average + (mean - average) / self.memory

    def recommend(self) -> IntArray:
        if not self._averages:
            return super().recommend()
        _, mean = max(self._averages.values(), key=lambda kept: kept[0])
        return self.space.nearest(mean[None])[0]
