"""The compiled loops between an exact generator's convolutions: sums, rectifiers and rounding to bytes.

Adding and subtracting `_HALFWAY` rounds to the nearest integer, of two equally near ones to the even one, which
compiles to vector instructions everywhere. The numbers are clipped first: the bounds are integers.
"""

import numpy as np

from amb.compiling import compiled

_HALFWAY = np.float32(3 << 22)
_ZERO = np.float32(0)
_SIGN = np.float32(128)


@compiled(nogil=True)
def nearest(value):  # type: ignore[no-untyped-def]
    """The nearest integer, as float32."""
    return (value + _HALFWAY) - _HALFWAY


@compiled(nogil=True)
def interleave(phases, scale, high, out):  # type: ignore[no-untyped-def]
    """Four phases, float32 [n, h + 1, w + 1, 4 * outputs], as one map of rectified bytes [n, 2h, 2w, outputs]."""
    n, height, width, outputs = out.shape
    for i in range(n):
        for y in range(height):
            for x in range(width):
                phase = phases[i, (y + 1) // 2, (x + 1) // 2, (y % 2 * 2 + x % 2) * outputs :]
                pixel = out[i, y, x]
                for u in range(outputs):
                    value = min(max(phase[u] * scale, _ZERO), high)
                    pixel[u] = np.uint8(np.int32(nearest(value)))


@compiled(nogil=True)
def rectify(maps, scale, high, out):  # type: ignore[no-untyped-def]
    """Rectified bytes of flat maps."""
    for u in range(maps.size):
        value = min(max(maps[u] * scale, _ZERO), high)
        out[u] = np.uint8(np.int32(nearest(value)))


@compiled(nogil=True)
def offset(maps, scale, out):  # type: ignore[no-untyped-def]
    """Signed bytes of flat maps, plus 128."""
    for u in range(maps.size):
        value = min(max(maps[u] * scale, -_SIGN), _SIGN - np.float32(1))
        out[u] = np.uint8(np.int32(nearest(value) + _SIGN))


@compiled(nogil=True)
def add_doubled(maps, small):  # type: ignore[no-untyped-def]
    """Add maps [n, h, w, c], their pixels doubled, to maps [n, 2h, 2w, c]."""
    n, height, width, channels = maps.shape
    for i in range(n):
        for y in range(height):
            for x in range(width):
                row, added = maps[i, y, x], small[i, y // 2, x // 2]
                for u in range(channels):
                    row[u] += added[u]


@compiled(nogil=True)
def look_up(tones, scale, table, out):  # type: ignore[no-untyped-def]
    """Entries of a table for flat tones; those in between are rounded to the nearest."""
    half = np.float32(table.size // 2)
    for u in range(tones.size):
        value = min(max(tones[u] * scale, -half), half - np.float32(1))
        out[u] = table[np.int32(nearest(value) + half)]


@compiled(nogil=True)
def look_up_phases(phases, scale, table, out):  # type: ignore[no-untyped-def]
    """Entries of a table [n, 2h, 2w, outputs] for four phases of tones, float32 [n, h + 1, w + 1, 4 * outputs]."""
    n, height, width, outputs = out.shape
    half = np.float32(table.size // 2)
    for i in range(n):
        for y in range(height):
            for x in range(width):
                first = (y % 2 * 2 + x % 2) * outputs
                for u in range(outputs):
                    tone = phases[i, (y + 1) // 2, (x + 1) // 2, first + u]
                    value = min(max(tone * scale, -half), half - np.float32(1))
                    out[i, y, x, u] = table[np.int32(nearest(value) + half)]
