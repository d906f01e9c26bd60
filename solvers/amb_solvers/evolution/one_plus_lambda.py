"""Mutation of grid points: the (1 + lambda) evolutionary algorithm."""

import numpy as np

from amb.contracts.batches import BatchSolver
from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SpecError
from amb_solvers.shared.ranking import best_first


class OnePlusLambda(BatchSolver):
    """One parent, `k` children; the best child replaces a parent that is no better.

    Every mode of a child changes with probability `rate / d`, at least one does, to another level that is
    uniform among the others; the method knows no order of levels. It starts from `k` draws of the prior. A
    failed query is no candidate for a parent; children as good as the parent replace it, so that plateaus are
    crossed.

    Args:
        k: children of a generation.
        rate: expected number of changed modes.
    """

    failed_queries = "is no parent"
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
        best = best_first(values)
        if len(best) and values[best[0]] >= self._value:
            self._parent, self._value = self._batch[best[0]].copy(), float(values[best[0]])


class ResamplingOnePlusLambda(OnePlusLambda):
    """The (1 + lambda) algorithm for noise: its parent is measured again in every generation.

    The first of a generation's `k` queries is the parent, whose value is the mean of all its measurements; so a lucky
    one does not stay for ever. It recommends the parent of the best mean among those measured twice or more. A failed
    measurement of the parent leaves its mean.
    """

    noisy = True
    source = "Jansen, De Jong & Wegener 2005, Evol. Comput. 13, 413-440; Qian, Yu & Zhou 2018, Evol. Comput. 26, 1-41"

    def __init__(self, space: Space, *, budget: int, seed: int, k: int = 10, rate: float = 1.0) -> None:
        super().__init__(space, budget=budget, seed=seed, k=k, rate=rate)
        if k < 2:
            raise SpecError(f"expected k >= 2, the parent and a child, got k={k}")
        self._measured = 0  # times that the parent was
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
                self._measured += 1
                self._value += (float(values[0]) - self._value) / self._measured
                self._prove(self._parent)
            values = values.copy()
            values[0] = np.nan  # the parent is no child
        before = self._parent
        super()._learn(values)
        if self._parent is not before:
            self._measured = 1

    def _prove(self, parent: IntArray) -> None:
        again = self._proved is not None and np.array_equal(parent, self._proved)
        if again or self._value >= self._proved_value:
            self._proved, self._proved_value = parent, self._value

    def recommend(self) -> IntArray:
        return super().recommend() if self._proved is None else self._proved.copy()


def mutate(rows: IntArray, levels: IntArray, free: IntArray, chance: float, rng: np.random.Generator) -> None:
    """Change modes of int64[k, d] in place, each of the `free` ones with `chance`, at least one a row, to another
    level."""
    k = len(rows)
    changed = rng.random((k, len(free))) < chance
    changed[np.arange(k), rng.integers(0, len(free), k)] |= ~changed.any(axis=1)
    # Adding 1..n-1 modulo n reaches every other level, none twice.
    shift = rng.integers(1, levels[free], size=changed.shape)
    rows[:, free] = (rows[:, free] + np.where(changed, shift, 0)) % levels[free]
