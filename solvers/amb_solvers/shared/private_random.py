"""Isolation of libraries that draw from the global random states of numpy, Python and torch."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_char
from typing import Any, NamedTuple

import numpy as np

from amb.imported_torch import imported_torch

# The objects behind `numpy.random.*` and `random.*`.
_NUMPY: Any = np.random.mtrand._rand
_PYTHON: Any = random._inst


class PrivateRandom:
    """Private streams in place of the global random states of numpy and Python while a library runs.

    Inside `use`, ``numpy.random.*`` and ``random.*`` continue a private stream that depends only on the seed;
    afterwards the process's own states are restored. Picklable.

    Args:
        seed: seed of the streams.
        torch: whether the same holds for torch's generator on the CPU, if torch has been imported.
    """

    def __init__(self, seed: int, *, torch: bool = False) -> None:
        words = np.random.SeedSequence(seed).generate_state(3)
        self._streams = _Streams.of(np.random.RandomState(words[0]), random.Random(int(words[1])))
        self._torch_seed, self._torch = int(words[2]) if torch else None, None

    @contextmanager
    def use(self) -> Iterator[None]:
        """Run a block on the private streams."""
        outside = _Streams.of(_NUMPY, _PYTHON)
        try:
            self._streams.install()
            with self._private_torch():
                yield
        finally:
            self._streams = _Streams.of(_NUMPY, _PYTHON)
            outside.install()

    @contextmanager
    def _private_torch(self) -> Iterator[None]:
        torch = imported_torch() if self._torch_seed is not None else None
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


class _Streams(NamedTuple):
    """Global random states, or what can take their place.

    A solver that asks for one candidate at a time changes them four times a query. Numpy is therefore given another bit
    generator, not 624 other words, and Python's words are copied as they lie in memory: `random.getstate` makes an
    object of each.

    Attributes:
        bits: numpy's bit generator, which is not copied.
        normal: numpy's second normal number of a pair, which the next call returns.
        words: Python's Mersenne Twister.
        python_normal: Python's second normal number of a pair.
    """

    bits: Any
    normal: dict[str, Any]
    words: bytes
    python_normal: float | None

    @classmethod
    def of(cls, numpy_state: Any, python_state: Any) -> "_Streams":
        """The streams of a `RandomState` and of a `random.Random`."""
        bits = numpy_state._bit_generator
        try:
            numpy_state._bit_generator = _NoWords()
            normal = numpy_state.get_state(legacy=False)
        finally:
            numpy_state._bit_generator = bits
        return cls(bits, normal, _words(python_state).raw, python_state.gauss_next)

    def install(self) -> None:
        """Let `numpy.random.*` and `random.*` continue these streams."""
        np.random.set_bit_generator(self.bits)  # forgets the normal number
        try:
            _NUMPY._bit_generator = _NoWords()
            _NUMPY.set_state(self.normal)
        finally:
            _NUMPY._bit_generator = self.bits
        _words(_PYTHON).raw = self.words
        _PYTHON.gauss_next = self.python_normal


class _NoWords:
    """Takes a bit generator's place while a `RandomState` is asked for its normal number: no words are copied."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {"bit_generator": "MT19937", "state": None}


_HEAD = object.__basicsize__
_Words = c_char * (random.Random.__base__.__basicsize__ - _HEAD)  # type: ignore[union-attr]


def _words(stream: random.Random) -> Any:
    """The memory in which a generator of Python's keeps its words and its place among them."""
    return _Words.from_address(id(stream) + _HEAD)
