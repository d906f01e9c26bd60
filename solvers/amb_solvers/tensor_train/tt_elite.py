"""Quantized PROTES that learns from the best candidates of the whole run."""

from typing import Any

import numpy as np

from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SpecError
from amb_solvers.shared.ranking import best_first
from amb_solvers.tensor_train.protes import Protes


class TTElite(Protes):
    """A tensor train that is fitted after every batch to an archive of the best candidates so far.

    PROTES forgets the best of a batch at once; an archive keeps the density from drifting on plateaus. Under noise
    the luckiest candidate would stay in it forever, so an elite leaves the archive after `patience` batches unless it
    is drawn and measured again; the newest value of a candidate counts. Failed queries are never elite.

    Args:
        k_top: size of the archive.
        patience: batches for which an elite stays without another measurement; 0 keeps it forever, which suits
            noise-free problems only.
    """

    source = "this project; after Batsheva, Chertkov, Ryzhakov & Oseledets 2023, NeurIPS 36"

    def __init__(
        self,
        space: Space,
        *,
        budget: int,
        seed: int,
        k: int = 25,
        k_top: int = 10,
        k_gd: int = 5,
        quantized: bool = True,
        patience: int = 0,
        **options: Any,
    ) -> None:
        if patience < 0:
            raise SpecError(f"expected patience >= 0, got {patience}")
        self.patience = patience
        self._ages: IntArray = np.empty(0, dtype=np.int64)
        self._scores: FloatArray = np.empty(0)
        super().__init__(space, budget=budget, seed=seed, k=k, k_top=k_top, k_gd=k_gd, quantized=quantized, **options)
        self._elites: IntArray = np.empty((0, len(self.levels)), dtype=np.int64)

    def _learn(self, values: FloatArray) -> None:
        rows = np.concatenate([self._elites, self._rows])
        scores = np.concatenate([self._scores, values])
        ages = np.concatenate([self._ages + 1, np.zeros(len(values), dtype=np.int64)])
        if self.patience:
            scores[ages > self.patience] = np.nan
        # Of equal candidates keep the newest: the first one of the reversed rows.
        _, newest = np.unique(rows[::-1], axis=0, return_index=True)
        unique = np.sort(len(rows) - 1 - newest)
        best = unique[best_first(scores[unique])[: self.k_top]]
        self._elites, self._scores, self._ages = rows[best], scores[best], ages[best]
        if len(best):
            self._fit(self._elites)
