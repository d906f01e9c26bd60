"""The base class of searches by maximal volume: digits, a cache of values, and failed queries."""

from typing import Any

import numpy as np

from amb.contracts.batches import BatchSolver
from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SpecError
from amb_solvers.shared.digits import Digits


class MaxvolSearch(BatchSolver):
    """A method that asks for whole crosses of multi-indices and needs the values of all of them at once.

    A failed query counts as the lowest value so far (zero before the first value).

    Args:
        r: rank.
        quantized: work on digits (bits, for 2**q levels) instead of levels; see `Digits`.
        order: order of the digits, "little" or "big".
        cache: query no multi-index twice; reuse its first value.
    """

    forked = True
    failed_queries = "counts as the lowest value so far"

    def __init__(
        self, space: Space, *, budget: int, seed: int, r: int, quantized: bool, order: str, cache: bool
    ) -> None:
        super().__init__(space, budget=budget, seed=seed)
        if r < 1:
            raise SpecError(f"expected r >= 1, got r={r}")
        self.r, self.cache = r, cache
        self.digits = Digits(space.levels, order) if quantized else None
        self.levels = self.digits.levels if self.digits else space.levels
        self._grid = [np.arange(n).reshape(-1, 1) for n in self.levels]
        self._known: dict[tuple[int, ...], float] = {}
        self._lowest = 0.0
        self._any_value = False
        self._rows: IntArray = np.empty((0, len(self.levels)), dtype=np.int64)  # the batch, in digits

    def _fill(self, values: FloatArray) -> FloatArray:
        """The batch's values, with failed ones replaced; they are cached."""
        valid = values[~np.isnan(values)]
        if len(valid):
            lowest = float(valid.min())
            self._lowest = min(self._lowest, lowest) if self._any_value else lowest
            self._any_value = True
        filled = np.where(np.isnan(values), self._lowest, values)
        self._remember(self._rows, filled)
        return filled

    def _remember(self, rows: IntArray, values: FloatArray) -> None:
        self._known.update(zip(map(tuple, rows.tolist()), values.tolist(), strict=True))

    def _out(self, rows: Any) -> IntArray:
        """The grid points of a batch given in digits, which are kept until its values arrive."""
        self._rows = np.asarray(rows, dtype=np.int64)
        return self.digits.join(self._rows) if self.digits else self._rows

    def _anywhere(self, n: int) -> IntArray:
        """Multi-indices drawn uniformly from the grid."""
        return self.rng.integers(0, self.levels, size=(n, len(self.levels)), dtype=np.int64)
