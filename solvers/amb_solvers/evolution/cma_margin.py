"""CMA-ES with margin, from the package cmaes: an integer search that keeps every level reachable."""

import warnings
from typing import Any

import numpy as np

from amb.contracts.batches import BatchSolver
from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SolverError, SpecError
from amb_solvers.shared.cma_defaults import population
from amb_solvers.shared.flat_start import FlatStart
from amb_solvers.shared.losses import losses
from amb_solvers.shared.private_random import PrivateRandom


class CMAMargin(BatchSolver):
    """CMA-ES with margin on the level numbers: the marginal probability of leaving a level never falls below a margin.

    The package minimizes, so it receives the negated values. A failed query counts as the worst of its population; if
    a whole population fails, a new one is drawn. As long as all values are equal (`FlatStart`), and whenever the
    package would stop, the search restarts from the middle of the grid. A population costs O(d^3).

    Args:
        k: population size; 0 means ``4 + 3 log d``.
        scale: initial step size, as a share of a dimension's range.
    """

    version = "2"
    kinds = frozenset({"ordinal"})
    forked = True
    failed_queries = "counts as the worst of its population"
    source = "Hamano, Saito, Nomura & Shirakawa 2022, GECCO (cmaes 0.13.1, CMAwM)"

    def __init__(self, space: Space, *, budget: int, seed: int, k: int = 0, scale: float = 0.125) -> None:
        super().__init__(space, budget=budget, seed=seed)
        if k < 0 or k == 1 or not 0 < scale <= 1e6:
            raise SpecError(f"expected k = 0 or k >= 2, and 0 < scale <= 1e6, got k={k}, scale={scale}")
        self._free = np.flatnonzero(space.levels > 1)
        if len(self._free) < 2:
            raise SolverError("cmaes needs at least two dimensions with two levels or more; use one-plus-lambda")
        self.k, self.scale = k or population(len(self._free)), scale
        self._private = PrivateRandom(self.seed)
        self._flat = FlatStart()
        self._strategy: Any = None
        self._points: list[FloatArray] = []

    def _generate(self) -> IntArray:
        with self._private.use(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self._strategy is None or self._strategy.should_stop():
                self._strategy = self._start()
            # The package's pickles lack its random state, so it is reseeded for every population.
            self._strategy.reseed_rng(int(self.rng.integers(2**31)))
            asked = [self._strategy.ask() for _ in range(self.k)]
        self._points = [point for _, point in asked]
        rows = np.zeros((self.k, self.space.d), dtype=np.int64)
        scale = self.space.levels[self._free] - 1
        shares = np.array([rounded for rounded, _ in asked])
        rows[:, self._free] = np.clip(np.rint(shares * scale), 0, scale)
        return rows

    def _learn(self, values: FloatArray) -> None:
        negated = losses(values)
        if negated is None:
            return
        if self._flat.holds(values):
            self._strategy = None
            return
        with self._private.use(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._strategy.tell(list(zip(self._points, negated.tolist(), strict=True)))

    def _start(self) -> Any:
        import cmaes

        d = len(self._free)
        return cmaes.CMAwM(
            mean=np.full(d, 0.5),
            sigma=self.scale,
            bounds=np.tile([0.0, 1.0], (d, 1)),
            steps=1.0 / (self.space.levels[self._free] - 1),  # between levels, as shares of their range
            population_size=self.k,
            seed=0,  # `_generate` seeds it
        )
