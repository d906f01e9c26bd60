"""The (1 + lambda) evolutionary algorithm on the grid, with a variant for noisy responses."""

import numpy as np

from amb.contracts.batches import BatchSolver
from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SpecError
from amb_solvers.shared.ranking import best_first


class OnePlusLambda(BatchSolver):
    """One parent and `k` children; the best child replaces its parent unless it is worse.

    Every dimension of a child changes with probability `rate / d`, and at least one does; the new level is drawn
    uniformly from the others, without regard to order. The search starts from `k` draws of the prior. A failed query
    never becomes a parent. A child as good as its parent replaces it, so that the search crosses plateaus.

    Args:
        k: children per generation.
        rate: expected number of changed dimensions.
    """

    foreign = True  # the best of them becomes the parent if it is at least as good
    forked = True
    failed_queries = "never becomes a parent"
    source = "Jansen, De Jong & Wegener 2005, Evol. Comput. 13, 413-440"

    def __init__(self, space: Space, *, budget: int, seed: int, k: int = 10, rate: float = 1.0) -> None:
        super().__init__(space, budget=budget, seed=seed)
        if k < 1 or not rate > 0:
            raise SpecError(f"expected k >= 1 and rate > 0, got k={k}, rate={rate}")
        self.k, self.rate = k, rate
        self._free = np.flatnonzero(space.levels > 1)
        self._parent: IntArray | None = None
        self._value = -np.inf

    def _generate(self) -> IntArray:
        if self._parent is None:
            return self.space.sample_prior(self.k, self.rng)
        children = np.repeat(self._parent[None], self.k, axis=0)
        if len(self._free):
            mutate(children, self.space.levels, self._free, self.rate / len(self._free), self.rng)
        return children

    def _learn(self, values: FloatArray) -> None:
        self._select(self._batch, values)

    def _absorb(self, candidates: IntArray, values: FloatArray) -> None:
        self._select(candidates, values)

    def _select(self, candidates: IntArray, values: FloatArray) -> None:
        best = best_first(values)
        if len(best) and values[best[0]] >= self._value:
            self._parent, self._value = candidates[best[0]].copy(), float(values[best[0]])


class ResamplingOnePlusLambda(OnePlusLambda):
    """The (1 + lambda) algorithm for noisy responses: it measures its parent again in every generation.

    The first of a generation's `k` queries is the parent, whose value is the mean of all its measurements, so a parent
    does not survive because of one lucky measurement. Of all parents measured at least twice, the one with the best
    mean is recommended. A failed measurement of the parent does not change its mean.
    """

    noisy = True
    source = "Jansen, De Jong & Wegener 2005, Evol. Comput. 13, 413-440; Qian, Yu & Zhou 2018, Evol. Comput. 26, 1-41"

    def __init__(self, space: Space, *, budget: int, seed: int, k: int = 10, rate: float = 1.0) -> None:
        super().__init__(space, budget=budget, seed=seed, k=k, rate=rate)
        if k < 2:
            raise SpecError(f"expected k >= 2 (the parent and a child), got k={k}")
        self._measurements = 0  # of the parent
        self._proved: IntArray | None = None
        self._proved_value = -np.inf

    def _generate(self) -> IntArray:
        batch = super()._generate()
        if self._parent is not None:
            batch[0] = self._parent
        return batch

    def _learn(self, values: FloatArray) -> None:
        if self._parent is not None:
            if not np.isnan(values[0]):
                self._measurements += 1
                self._value += (float(values[0]) - self._value) / self._measurements
                self._prove(self._parent)
            values = values.copy()
            values[0] = np.nan  # the parent is not one of the children
        super()._learn(values)

    def _select(self, candidates: IntArray, values: FloatArray) -> None:
        before = self._parent
        super()._select(candidates, values)
        if self._parent is not before:
            self._measurements = 1

    def _prove(self, parent: IntArray) -> None:
        again = self._proved is not None and np.array_equal(parent, self._proved)
        if again or self._value >= self._proved_value:
            self._proved, self._proved_value = parent, self._value

    def recommend(self) -> IntArray:
        return super().recommend() if self._proved is None else self._proved.copy()


def mutate(rows: IntArray, levels: IntArray, free: IntArray, chance: float, rng: np.random.Generator) -> None:
    """Change levels of int64[k, d] in place.

    Each of the `free` dimensions changes with probability `chance`, and at least one in every row; the new level is
    a different one.
    """
    k = len(rows)
    changed = rng.random((k, len(free))) < chance
    changed[np.arange(k), rng.integers(0, len(free), k)] |= ~changed.any(axis=1)
    # Adding 1..n-1 modulo n reaches every other level, none twice.
    shift = rng.integers(1, levels[free], size=changed.shape)
    rows[:, free] = (rows[:, free] + np.where(changed, shift, 0)) % levels[free]
