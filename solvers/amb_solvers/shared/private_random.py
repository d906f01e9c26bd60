"""Isolation of libraries that draw from the global random states of numpy, Python and torch."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


class PrivateRandom:
    """Private copies of the global random states, swapped in while a library runs.

    Inside `use`, ``numpy.random.*`` and ``random.*`` continue a private stream that depends only on the seed;
    afterwards the process's own states are restored. Picklable.

    Args:
        seed: seed of the streams.
        torch: whether the same holds for torch's generator on the CPU, if torch has been imported.
    """

    def __init__(self, seed: int, *, torch: bool = False) -> None:
        words = np.random.SeedSequence(seed).generate_state(3)
        self._numpy = np.random.RandomState(words[0]).get_state()
        self._python = random.Random(int(words[1])).getstate()
        self._torch_seed, self._torch = int(words[2]) if torch else None, None

    @contextmanager
    def use(self) -> Iterator[None]:
        """Run a block on the private streams."""
        outside = np.random.get_state(), random.getstate()  # noqa: NPY002
        np.random.set_state(self._numpy)  # noqa: NPY002
        random.setstate(self._python)
        try:
            with self._private_torch():
                yield
        finally:
            self._numpy, self._python = np.random.get_state(), random.getstate()  # noqa: NPY002
            np.random.set_state(outside[0])  # noqa: NPY002
            random.setstate(outside[1])

    @contextmanager
    def _private_torch(self) -> Iterator[None]:
        torch: Any = sys.modules.get("torch") if self._torch_seed is not None else None
        if torch is None:
            yield
            return
        outside = torch.get_rng_state()
        if self._torch is None:
            torch.default_generator.manual_seed(self._torch_seed)
        else:
            torch.set_rng_state(self._torch)
        try:
            yield
        finally:
            self._torch = torch.get_rng_state()
            torch.set_rng_state(outside)
