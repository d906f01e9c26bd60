"""The `protes` package behind ask and tell: its candidates exactly, for comparison."""

from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SolverError
from amb_solvers.shared.extras import extra
from amb_solvers.shared.usual_jax import usual_jax
from amb_solvers.tensor_train.protes import Protes


class ProtesReference(Protes):
    """PROTES with the package's own arithmetic and random keys.

    With the package's seed and the same values it asks for the package's candidates, batch after batch. It is slower
    than `protes`, needs the extra `reference`, and has the package's restriction: two dimensions or more, all with the
    same number of levels.

    Args:
        minimize: give the package negated values and ``is_max=False``. This changes ties only: of equal values the
            last is elite when the package maximizes, the first when it minimizes.
    """

    forked = False  # JAX keeps threads

    def __init__(self, space: Space, *, budget: int, seed: int, minimize: bool = False, **options: Any) -> None:
        self.minimize = minimize
        super().__init__(space, budget=budget, seed=seed, **options)

    def _start(self) -> None:
        if len(self.levels) < 2 or (self.levels != self.levels[0]).any():
            raise SolverError(
                "the protes package needs at least two dimensions, all with the same number of levels, "
                f"got levels {self.levels.tolist()[:10]}; use protes, tt-s or tt-b"
            )
        seed = int(np.uint64(self.seed % 2**64).view(np.int64))  # 64 bits, signed, as JAX needs them
        with self._usual():
            shape = len(self.levels), int(self.levels[0]), self.r
            self._key, self._adam, self._cores = _package().start(seed, *shape, self.lr)

    def _sample(self) -> IntArray:
        with self._usual():
            self._key, rows = _package().sample(self._key, self._cores, self.k)
            return np.asarray(rows)

    def _learn(self, values: FloatArray) -> None:
        valid = ~np.isnan(values)
        if not valid.any():
            return
        worst = np.inf if self.minimize else -np.inf
        with self._usual():
            order = _package().ascending(np.where(valid, -values if self.minimize else values, worst))
        best = order if self.minimize else order[::-1]
        self._fit(self._rows[best[: min(self.k_top, np.count_nonzero(valid))]])

    def _fit(self, elite: IntArray) -> None:
        with self._usual():
            self._adam, self._cores = _package().fit(self._adam, self._cores, elite, self.lr, self.k_gd)

    def _usual(self) -> AbstractContextManager[None]:
        _package()  # says what is missing where JAX is
        return usual_jax(x64=self.x64)


def _package() -> Any:
    return extra("amb_solvers.tensor_train.protes_package", "reference")
