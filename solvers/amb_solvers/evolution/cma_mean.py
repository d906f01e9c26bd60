"""CMA-ES for noisy responses, which recommends an average of its means."""

from typing import Any

import numpy as np

from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SpecError
from amb_solvers.evolution.cma_es import CMAES


class MeanCMAES(CMAES):
    """CMA-ES for noisy responses: it recommends an average of its means, not the luckiest candidate.

    Under noise the mean wanders, so it is averaged over the last populations. After a restart the average starts
    afresh; the one whose last population had the highest mean value is recommended. Rounded to the grid, it need not
    have been queried. Before the first population is complete, the candidate with the best value is recommended.

    Args:
        memory: populations over which the mean is averaged; 1 means the last mean.
    """

    noisy = True
    foreign = False  # its mean is averaged as soon as its population is measured
    source = "Hansen & Ostermeier 2001, Evol. Comput. 9, 159-195 (pycma 4); the average is this project's"

    def __init__(self, space: Space, *, budget: int, seed: int, memory: int = 20, **options: Any) -> None:
        super().__init__(space, budget=budget, seed=seed, **options)
        if memory < 1:
            raise SpecError(f"expected memory >= 1, got {memory}")
        self.memory = memory
        self._starts = 0
        # For each start: mean value of its last population, averaged mean.
        self._averages: dict[int, tuple[float, FloatArray]] = {}

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
        _, mean = max(self._averages.values(), key=lambda average: average[0])
        return self.space.nearest(mean[None])[0]
