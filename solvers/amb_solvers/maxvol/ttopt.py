"""TTOpt, driven by its package's own steps behind ask and tell."""

from typing import Any

import numpy as np
from ttopt import ttopt_find, ttopt_init
from ttopt.ttopt_raw import _iter, _merge, _update_iter

from amb.contracts.space import FloatArray, IntArray, Space
from amb_solvers.maxvol.maxvol_search import MaxvolSearch


class TTOpt(MaxvolSearch):
    """TTOpt: sweeps over the modes, keeping at each the rows of maximal volume and the largest value.

    It asks for the same candidates as the package does when it maximizes, batch after batch, from the same seed. At
    rank 4 with 64 levels a batch has 1,024 candidates and a sweep over 128 modes 129,536, so unquantized it reaches
    only a few modes.

    The method looks for the largest absolute value, so if the lowest value so far is negative, it is subtracted from
    all values. Sweeps that return to an earlier state without a new candidate would repeat forever (the package stops
    there and leaves the rest of its budget unspent). Here the search restarts from other random indices and keeps the
    values that it knows; if that yields no new candidate either, it asks for single random candidates.

    Args:
        r: largest rank; 4 is the package's default.
        cache: the package's ``with_cache``.
    """

    source = "Sozykin, Chertkov, Schutski, Phan, Cichocki & Oseledets 2022, NeurIPS 35 (ttopt 0.6.2)"

    def __init__(
        self,
        space: Space,
        *,
        budget: int,
        seed: int,
        r: int = 4,
        quantized: bool = False,
        order: str = "little",
        cache: bool = True,
    ) -> None:
        super().__init__(space, budget=budget, seed=seed, r=r, quantized=quantized, order=order, cache=cache)
        self._start(self.seed)

    def _start(self, seed: int) -> None:
        d = len(self.levels)
        cores, self._ranks = ttopt_init(self.levels, self.r, None, seed, with_rank=True)
        self._indices: list[Any] = [None] * (d + 1)
        for i in range(d - 1):
            self._indices[i + 1] = _iter(cores[i], self._indices[i], self._grid[i], l2r=True)
        self._best_index: Any = None
        self._best_seen: Any = None
        self._mode, self._sweep, self._rightwards = d - 1, 0, False
        self._seen: set[tuple[bytes, ...]] = set()  # states at the start of sweeps since the last new candidate
        self._loose = False  # whether the batch is a random candidate outside any sweep

    def _generate(self) -> IntArray:
        restarted = self._loose
        self._loose = False
        while True:
            rows = self._cross()
            if self.cache:
                rows = np.array([row for row in rows.tolist() if tuple(row) not in self._known], dtype=np.int64)
            if len(rows):
                self._seen.clear()
                return self._out(rows)
            if self._mode == len(self.levels) - 1 and not self._rightwards:
                state = tuple(b"" if index is None else index.tobytes() for index in self._indices)
                if state in self._seen:
                    if restarted:
                        self._loose = True
                        return self._out(self._anywhere(1))
                    restarted = True
                    self._start(int(self.rng.integers(2**31)))
                    continue
                self._seen.add(state)
            self._advance(self._recall())

    def _learn(self, values: FloatArray) -> None:
        filled = self._fill(values)
        if not self._loose:
            self._advance(self._recall() if self.cache else filled)

    def _cross(self) -> IntArray:
        i = self._mode
        return np.asarray(_merge(self._indices[i], self._indices[i + 1], self._grid[i]), dtype=np.int64)

    def _recall(self) -> FloatArray:
        return np.array([self._known[tuple(row)] for row in self._cross().tolist()])

    def _advance(self, values: FloatArray) -> None:
        """One step of the package: new indices next to this mode from the values of its cross."""
        i, d, rows = self._mode, len(self.levels), self._cross()
        self._best_index, self._best_seen, _ = ttopt_find(
            rows, values, [None] * len(values), self._best_index, self._best_seen, None, True
        )
        raised = values - min(0.0, self._lowest)
        shape = (self._ranks[i], int(self.levels[i]), self._ranks[i + 1])
        core = np.reshape(raised, shape, order="F")
        if self._rightwards and i < d - 1:
            self._indices[i + 1] = _iter(core, self._indices[i], self._grid[i], True)
            self._ranks[i + 1] = len(self._indices[i + 1])
        if not self._rightwards and i > 0:
            self._indices[i] = _iter(core, self._indices[i + 1], self._grid[i], False)
            self._ranks[i] = len(self._indices[i])
        self._mode, self._sweep, self._rightwards = _update_iter(d, i, self._sweep, self._rightwards)


class QuantizedTTOpt(TTOpt):
    """TTOpt on digits, at rank 2."""

    def __init__(
        self, space: Space, *, budget: int, seed: int, r: int = 2, quantized: bool = True, **options: Any
    ) -> None:
        super().__init__(space, budget=budget, seed=seed, r=r, quantized=quantized, **options)
