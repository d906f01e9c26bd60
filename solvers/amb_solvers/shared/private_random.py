"""Isolation of libraries that draw from the global random states of numpy and Python."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


class PrivateRandom:
    """Private copies of the global random states, swapped in while a library runs.

    Inside `use`, ``numpy.random.*`` and ``random.*`` continue a private stream that depends only on the seed;
    afterwards the process's own states are restored. Picklable.
    """

    def __init__(self, seed: int) -> None:
        words = np.random.SeedSequence(seed).generate_state(2)
        self._numpy = np.random.RandomState(words[0]).get_state()
        self._python = random.Random(int(words[1])).getstate()

    @contextmanager
    def use(self) -> Iterator[None]:
        """Run a block on the private streams."""
        outside = np.random.get_state(), random.getstate()  # noqa: NPY002
        np.random.set_state(self._numpy)  # noqa: NPY002
        random.setstate(self._python)
        try:
            yield
        finally:
            self._numpy, self._python = np.random.get_state(), random.getstate()  # noqa: NPY002
            np.random.set_state(outside[0])  # noqa: NPY002
            random.setstate(outside[1])
