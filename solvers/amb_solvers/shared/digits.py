"""Quantization: levels written as digits, so that a tensor train has many short modes."""

from typing import Literal, get_args

import numpy as np

from amb.contracts.space import IntArray
from amb.errors import SpecError

Order = Literal["little", "big"]


class Digits:
    """A one-to-one map between grid points and their digits.

    A mode with n levels becomes one mode per prime factor of n: 64 levels are six bits, 512 are nine. The grid is
    covered exactly for every n, without unused codes: 12 = 2 * 2 * 3 levels are two bits and a digit with three
    levels. If n is prime or 1, the mode does not change.

    Args:
        levels: levels of the grid's dimensions, int[d].
        order: "little" puts the least significant digit first, as the paper's framework does; "big" puts it last.
            Small factors are the less significant ones.
    """

    def __init__(self, levels: IntArray, order: str = "little") -> None:
        if order not in get_args(Order):
            raise SpecError(f"order must be 'little' or 'big', got {order!r}")
        digits, weights, owners = [], [], []
        for mode, n in enumerate(levels):
            factors = prime_factors(int(n))
            values = np.concatenate([[1], np.cumprod(factors[:-1])]).astype(np.int64)
            step = 1 if order == "little" else -1
            digits += factors[::step]
            weights += list(values[::step])
            owners += [mode] * len(factors)
        self.levels: IntArray = np.array(digits, dtype=np.int64)
        self._weights: IntArray = np.array(weights, dtype=np.int64)
        self._starts: IntArray = np.searchsorted(owners, np.arange(len(levels))).astype(np.int64)
        self._owners: IntArray = np.array(owners, dtype=np.int64)

    def join(self, digits: IntArray) -> IntArray:
        """Grid points int64[k, d] of digits int64[k, sum of factors]."""
        return np.add.reduceat(digits * self._weights, self._starts, axis=1)

    def split(self, index: IntArray) -> IntArray:
        """Digits of grid points; the inverse of `join`."""
        return index[:, self._owners] // self._weights % self.levels


def prime_factors(n: int) -> list[int]:
    """The prime factors of n >= 1 in ascending order; [1] for 1."""
    factors, p = [], 2
    while p * p <= n:
        while n % p == 0:
            factors.append(p)
            n //= p
        p += 1
    return [*factors, n] if n > 1 or not factors else factors
