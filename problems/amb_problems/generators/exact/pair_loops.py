"""The compiled loops of `SNGANInPairs`: every row of currents becomes bytes at once, without leaving the caches."""

import numpy as np

from amb.compiling import compiled
from amb_problems.engine.pair_loops import sum_row
from amb_problems.generators.exact.loops import nearest

_ZERO = np.float32(0)
_SIGN = np.float32(128)


@compiled(nogil=True)
def _rectify(values, scale, high, out):  # type: ignore[no-untyped-def]
    for u in range(out.size):
        out[u] = np.uint8(np.int32(nearest(min(max(values[u] * scale, _ZERO), high))))


@compiled(nogil=True)
def _halve(values, scale, lower, upper):  # type: ignore[no-untyped-def]
    """Signed bytes, plus 128, as a sum of two that are at most 128."""
    for u in range(lower.size):
        value = min(max(values[u] * scale, -_SIGN), _SIGN - np.float32(1))
        code = np.int32(nearest(value) + _SIGN)
        lower[u] = np.uint8(code >> 1)
        upper[u] = np.uint8(code - (code >> 1))


@compiled(nogil=True)
def halve(values, scale, out):  # type: ignore[no-untyped-def]
    """Halves, uint8 `[n, 2 * size]`, of rows of numbers, float32 `[n, size]`."""
    size = values.shape[1]
    for i in range(len(values)):
        _halve(values[i], scale, out[i, :size], out[i, size:])


@compiled(nogil=True)
def clear_margin(maps):  # type: ignore[no-untyped-def]
    """Set the margin of maps `[n, side, side, channels]` to zero."""
    maps[:, 0] = 0
    maps[:, -1] = 0
    maps[:, :, 0] = 0
    maps[:, :, -1] = 0


@compiled(nogil=True)
def spread(values, scale, high, signed_scale, rectified, halves):  # type: ignore[no-untyped-def]
    """Maps float32 `[n, side, side, channels]` as `rectified` bytes within a margin, and as `halves`, signed."""
    n, side, _, channels = values.shape
    clear_margin(rectified)
    for i in range(n):
        for y in range(side):
            for x in range(side):
                value, both = values[i, y, x], halves[i, y, x]
                _rectify(value, scale, high, rectified[i, y + 1, x + 1])
                _halve(value, signed_scale, both[:channels], both[channels:])


@compiled(nogil=True)
def up(maps, layer, scale, high, out):  # type: ignore[no-untyped-def]
    """An up-convolution's rectified bytes within a margin, `[n, 2h + 2, 2w + 2, channels]`, of such bytes."""
    n, side, _, inputs = maps.shape
    channels, inner = out.shape[3], side - 2
    flat, row = maps.reshape(-1), np.empty(inner * channels, np.float32)
    clear_margin(out)
    for i in range(n):
        for part in range(4):
            a, b = part // 2, part % 2
            for y in range(inner):
                sum_row(flat, ((i * side + y + a) * side + b) * inputs, inputs, inner, layer, part, 4, row)
                line = out[i, 1 + 2 * y + a]
                for x in range(inner):
                    _rectify(row[x * channels : (x + 1) * channels], scale, high, line[1 + 2 * x + b])


@compiled(nogil=True)
def add(maps, layer, small, scale, high, signed_scale, rectified, halves):  # type: ignore[no-untyped-def]
    """A convolution of bytes within a margin, plus maps float32 of half the side, their pixels doubled.

    The sum becomes `rectified` bytes within a margin and, unless it is empty, signed `halves`.
    """
    n, side, _, inputs = maps.shape
    channels, inner = rectified.shape[3], side - 2
    flat, row = maps.reshape(-1), np.empty(inner * channels, np.float32)
    clear_margin(rectified)
    for i in range(n):
        for y in range(inner):
            sum_row(flat, (i * side + y) * side * inputs, inputs, inner, layer, 0, 1, row)
            for x in range(inner):
                value, added = row[x * channels : (x + 1) * channels], small[i, y // 2, x // 2]
                for u in range(channels):
                    value[u] += added[u]
                _rectify(value, scale, high, rectified[i, y + 1, x + 1])
                if halves.size:
                    both = halves[i, y, x]
                    _halve(value, signed_scale, both[:channels], both[channels:])


@compiled(nogil=True)
def show(maps, layer, scale, table, out):  # type: ignore[no-untyped-def]
    """The pixels `[n, side, side, channels]` that a table has for a convolution's tones."""
    n, side, _, inputs = maps.shape
    inner, channels = out.shape[2:]
    size = layer[2].size
    flat, row = maps.reshape(-1), np.empty(inner * size, np.float32)
    half = np.float32(table.size // 2)
    for i in range(n):
        for y in range(inner):
            sum_row(flat, (i * side + y) * side * inputs, inputs, inner, layer, 0, 1, row)
            for x in range(inner):
                for u in range(channels):
                    tone = min(max(row[x * size + u] * scale, -half), half - np.float32(1))
                    out[i, y, x, u] = table[np.int32(nearest(tone) + half)]
