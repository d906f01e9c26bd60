"""PROTES and its quantized settings, on the native engine."""

from typing import Any

import numpy as np

from amb.contracts.batches import BatchSolver
from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SpecError
from amb_solvers.shared.digits import Digits
from amb_solvers.shared.ranking import best_first
from amb_solvers.tensor_train.density import TensorTrain


class Protes(BatchSolver):
    """Probabilistic optimization with tensor sampling.

    `k` candidates at a time are drawn from a density in tensor-train form; `k_gd` steps of Adam then raise the
    log-likelihood of the `k_top` best of them. The method treats levels as categories, so it works on any grid.
    Quantized, it works on the digits of the level numbers (on a categorical space, of an arbitrary numbering, as the
    paper does with VQ-VAE codes).

    Of equal values the later candidate is the better one, as in the package. A failed query (NaN) is never
    elite; a batch of failed queries changes nothing.

    Args:
        k: batch size.
        k_top: elites per batch.
        k_gd: gradient steps per batch.
        lr: Adam's learning rate.
        r: rank of the train.
        quantized: work on digits (bits, for 2**q levels) instead of levels; see `Digits`.
        order: order of the digits, "little" or "big".
        x64: compute in float64 instead of float32, the package's default.
    """

    version = "4"
    forked = True
    failed_queries = "is never elite"
    source = "Batsheva, Chertkov, Ryzhakov & Oseledets 2023, NeurIPS 36 (protes 0.3.12)"

    def __init__(
        self,
        space: Space,
        *,
        budget: int,
        seed: int,
        k: int = 10,
        k_top: int = 1,
        k_gd: int = 1,
        lr: float = 0.05,
        r: int = 5,
        quantized: bool = False,
        order: str = "little",
        x64: bool = False,
    ) -> None:
        super().__init__(space, budget=budget, seed=seed)
        if not 1 <= k_top <= k or k_gd < 1 or r < 1 or not lr > 0:
            raise SpecError(
                "expected 1 <= k_top <= k, k_gd >= 1, r >= 1 and lr > 0, "
                f"got k={k}, k_top={k_top}, k_gd={k_gd}, r={r}, lr={lr}"
            )
        self.k, self.k_top, self.k_gd, self.lr, self.r, self.x64 = k, k_top, k_gd, lr, r, x64
        self.digits = Digits(space.levels, order) if quantized else None
        self.levels = self.digits.levels if self.digits else space.levels
        self._rows: IntArray = np.empty((0, len(self.levels)), dtype=np.int64)
        self._start()

    def _start(self) -> None:
        """Create the density from which the first batch is drawn."""
        dtype = np.float64 if self.x64 else np.float32
        self.train = TensorTrain(self.levels, self.r, self.rng, rate=self.lr, dtype=dtype)

    def _sample(self) -> IntArray:
        """`k` draws from the density, int64[k, modes of the train]."""
        variates = 1 - self.rng.random((self.k, self.train.d), dtype=self.train.cores.dtype.type)
        return self.train.sample(variates)

    def _fit(self, elite: IntArray) -> None:
        """Move the density towards the elite, int64[1..k_top, modes of the train]."""
        self.train.fit(elite, steps=self.k_gd)

    def _generate(self) -> IntArray:
        self._rows = self._sample()
        return self.digits.join(self._rows) if self.digits else self._rows

    def _learn(self, values: FloatArray) -> None:
        best = best_first(values)[: self.k_top]
        if len(best):
            self._fit(self._rows[best])


class TTSmall(Protes):
    """The paper's TT-s: quantized PROTES in small batches."""

    def __init__(
        self,
        space: Space,
        *,
        budget: int,
        seed: int,
        k: int = 5,
        k_top: int = 1,
        quantized: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(space, budget=budget, seed=seed, k=k, k_top=k_top, quantized=quantized, **options)


class TTBig(Protes):
    """The paper's TT-b: quantized PROTES in big batches, with five elites."""

    def __init__(
        self,
        space: Space,
        *,
        budget: int,
        seed: int,
        k: int = 25,
        k_top: int = 5,
        quantized: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(space, budget=budget, seed=seed, k=k, k_top=k_top, quantized=quantized, **options)


class TTFramework(Protes):
    """The `tt` of the paper's framework: quantized PROTES, least significant bit first."""

    def __init__(self, space: Space, *, budget: int, seed: int, quantized: bool = True, **options: Any) -> None:
        super().__init__(space, budget=budget, seed=seed, quantized=quantized, **options)


class TTExplore(Protes):
    """The `tt-exp` of the paper's framework: quantized PROTES with big batches and big steps."""

    def __init__(
        self,
        space: Space,
        *,
        budget: int,
        seed: int,
        k: int = 100,
        k_top: int = 10,
        lr: float = 0.1,
        quantized: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(space, budget=budget, seed=seed, k=k, k_top=k_top, lr=lr, quantized=quantized, **options)
