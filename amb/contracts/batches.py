"""The base class of methods that work in batches, no matter how many candidates a caller asks for at a time."""

from abc import abstractmethod

import numpy as np

from amb.contracts.solver import Rows, Solver
from amb.contracts.space import FloatArray, Space


class BatchSolver(Solver):
    """Asks for one batch after another, and learns once a batch has all its values.

    A batch is always generated whole, even if only a part fits the caller's limit or the budget, so limits and
    budget cut the sequence of candidates but never change it. Override `_generate` and `_learn`; `self._batch`
    is the batch that the values belong to. A method that declares `foreign` overrides `_absorb`.
    """

    def __init__(self, space: Space, *, budget: int, seed: int) -> None:
        super().__init__(space, budget=budget, seed=seed)
        self._batch: Rows = np.empty((0, space.d), dtype=np.int64)
        self._values: list[float] = []
        self._foreign: list[tuple[Rows, FloatArray]] = []

    @abstractmethod
    def _generate(self) -> Rows:
        """Return the next batch, k >= 1 grid points, int64[k, d]; in a continuous solver, latents, float64[k, d]."""

    @abstractmethod
    def _learn(self, values: FloatArray) -> None:
        """Learn from the values of the last batch, float64[k] in its order; NaN marks a failed query."""

    def _ask(self, limit: int) -> Rows:
        known = len(self._values)
        if known == len(self._batch):
            if self._foreign:
                rows, values = zip(*self._foreign, strict=True)
                self._foreign = []
                self._absorb(np.concatenate(rows), np.concatenate(values))
            self._batch, self._values, known = self._generate(), [], 0
        return self._batch[known : known + limit]

    def _absorb(self, candidates: Rows, values: FloatArray) -> None:
        """Learn from candidates of other searches, all that came since the last batch, before the next is generated."""

    def _learn_foreign(self, candidates: Rows, values: FloatArray) -> None:
        if self.foreign:
            self._foreign.append((candidates, values))

    def _tell(self, candidates: Rows, values: FloatArray) -> None:
        self._values += values.tolist()
        if len(self._values) == len(self._batch):
            self._learn(np.array(self._values))
