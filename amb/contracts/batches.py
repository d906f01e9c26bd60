"""Methods that think in whole batches, told in as many parts as their caller likes."""

from abc import abstractmethod

import numpy as np

from amb.contracts.solver import Rows, Solver
from amb.contracts.space import FloatArray, Space


class BatchSolver(Solver):
    """Asks one batch after another; learns when the last value of a batch is there.

    A batch is generated whole, whatever part of it fits the caller's limit or the budget, so that limits and
    budget cut the sequence of candidates but never change it. Override `_generate` and `_learn`; the batch
    that the values belong to is `self._batch`.
    """

    def __init__(self, space: Space, *, budget: int, seed: int) -> None:
        super().__init__(space, budget=budget, seed=seed)
        self._batch: Rows = np.empty((0, space.d), dtype=np.int64)
        self._values: list[float] = []

    @abstractmethod
    def _generate(self) -> Rows:
        """The next batch, k >= 1 grid points, int64[k, d]; of a continuous solver, latents, float64[k, d]."""

    @abstractmethod
    def _learn(self, values: FloatArray) -> None:
        """Learn from the values of the last batch, float64[k] in its order; NaN marks a failed query."""

    def _ask(self, limit: int) -> Rows:
        told = len(self._values)
        if told == len(self._batch):
            self._batch, self._values, told = self._generate(), [], 0
        return self._batch[told : told + limit]

    def _tell(self, candidates: Rows, values: FloatArray) -> None:
        self._values += values.tolist()
        if len(self._values) == len(self._batch):
            self._learn(np.array(self._values))
