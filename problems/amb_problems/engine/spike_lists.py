"""Compiled loops that list the rows of weights that the spikes of a map select."""

import numpy as np

from amb.compiling import compiled
from amb_problems.engine.vector_sums import shift_8

_PATTERNS = (np.arange(256)[:, None] >> np.arange(8)) & 1
_FIRING = np.argsort(1 - _PATTERNS, axis=1, kind="stable").astype(np.int32)
"""For every pattern of eight neurons, the numbers of those that fire, then those of the others."""
_NUMBER = _PATTERNS.sum(axis=1)
"""How many of them fire."""


@compiled(nogil=True)
def list_spikes(spikes, inputs, side, padded, listed, begin):  # type: ignore[no-untyped-def]
    """An entry for each neuron that fires: where its row would begin if its column were the kernel's first.

    Args:
        spikes: uint8, flat.
        inputs, side: the shape of the map.
        padded: size of a row.
        listed: receives the entries, and up to 8 more.
        begin: receives the first entry of each column, `[side, side + 1]`.
    """
    k = 0
    if inputs % 8 == 0:
        words = spikes.view(np.uint64)
        w = 0
        shifts = (_FIRING * padded).reshape(-1)
        for y in range(side):
            place = 0
            for x in range(side):
                begin[y, x] = k
                for _ in range(inputs // 8):
                    # The lowest bits of the bytes, side by side.
                    pattern = (words[w] * np.uint64(0x0102040810204080)) >> np.uint64(56)
                    shift_8(shifts, np.int64(pattern) * 8, place, listed, k)  # type: ignore[call-arg]
                    k += _NUMBER[np.int64(pattern)]
                    place += 8 * padded
                    w += 1
            begin[y, side] = k
        return
    for y in range(side):
        for x in range(side):
            begin[y, x] = k
            for c in range(inputs):
                listed[k] = (x * inputs + c) * padded
                k += spikes[(y * side + x) * inputs + c]
        begin[y, side] = k


@compiled(nogil=True)
def list_quartets(spikes, inputs, side, padded, listed, begin):  # type: ignore[no-untyped-def]
    """An entry for every group of four neurons, firing or not: where the row of sums of their pattern begins."""
    quartets = inputs // 4
    words = spikes.view(np.uint32)
    for y in range(side):
        start, end = y * side * quartets, (y + 1) * side * quartets
        # Slices with indices from 0, which the compiler turns into vectors.
        line, entries = words[start:end], listed[start:end]
        for k in range(entries.size):
            # The lowest bits of the bytes, side by side.
            pattern = (line[k] * np.uint32(0x01020408)) >> np.uint32(24)
            entries[k] = (np.int32(k) * np.int32(16) + np.int32(pattern & np.uint32(15))) * padded
        for x in range(side + 1):
            begin[y, x] = start + x * quartets
