"""Compiled loops of `Superposition`: neurons listed by period, the currents of each period, and their sums by frame."""

import numpy as np

from amb.compiling import compiled
from amb_problems.engine.vector_sums import add_row, sum_rows

_ZERO = np.float32(0)
_CACHED = 128 << 10
"""Bytes of currents that are computed at once: they stay in the second-level cache until their frames are summed."""


@compiled(nogil=True)
def _sort(periods, begin, position, channel):  # type: ignore[no-untyped-def]
    """The neurons of one image that fire, in the order of period and line.

    Those of period p in line y are `begin[p, y]` to `begin[p, y + 1]`: their position in the line, and their channel.
    """
    side, _, inputs = periods.shape
    size = np.zeros(begin.shape, np.int64)
    for y in range(side):
        for x in range(side):
            for c in range(inputs):
                size[periods[y, x, c], y] += 1
    ended = 0
    for p in range(1, begin.shape[0]):
        for y in range(side):
            begin[p, y] = ended
            ended += size[p, y]
        begin[p, side] = ended
    nowhere = position.size - 1
    begin[0] = nowhere
    for y in range(side):
        for x in range(side):
            for c in range(inputs):
                p = periods[y, x, c]
                k = begin[p, y]
                position[k], channel[k] = x, c
                begin[p, y] += p > 0
    for p in range(1, begin.shape[0]):
        for y in range(side):
            begin[p, y] -= size[p, y]


@compiled(nogil=True)
def superpose(periods, weight, kernel, padding, pool, stride, scale, bias, decay, level, out):  # type: ignore[no-untyped-def]
    """Spikes of neurons that receive, in frame t, the currents of all neurons whose period divides t + 1.

    Args:
        periods: uint8 `[n, side, side, inputs]`.
        weight: `[kernel, inputs, wide]`, as in `Superposition`.
        kernel, padding: of the convolution.
        pool, stride: of the max pooling of the currents, before the neurons.
        scale, bias: `[tall * units]`, of one line of the map.
        decay, level: of the neuron.
        out: uint8 `[frames, n, tall, tall, units]`.
    """
    n, side, _, inputs = periods.shape
    frames, tall, units = out.shape[0], out.shape[2], out.shape[4]
    wide = weight.shape[2]
    flat = weight.reshape(-1)
    # Where vectors hold whole positions, those outside the map are left out; else they are computed and never read.
    clipped = units % 8 == 0
    width = (tall - 1) * stride + pool
    begun = 0 if clipped else (kernel - 1 - padding) * units
    line = width * units if clipped else max((side - 1) * units + wide, begun + width * units)
    # Lines of the pooled map that are computed together, and lines of currents that they need.
    lines = max(1, min(tall, _CACHED // ((frames + 1) // 2 * line * weight.itemsize * stride)))
    rows = (lines - 1) * stride + pool
    block = (rows * line + 31) // 32 * 32
    begin = np.empty((frames + 1, side + 1), np.int64)
    position, channel = np.empty(side * side * inputs + 1, np.int32), np.empty(side * side * inputs + 1, np.int32)
    current = np.empty(frames * block, weight.dtype)
    total = np.empty(block, weight.dtype)
    best = np.empty(tall * units, weight.dtype)
    potential = np.empty((lines, tall * units), np.float32)
    firing = np.empty(frames * frames, np.int32)
    size = np.empty(frames, np.int64)
    for i in range(n):
        _sort(periods[i], begin, position, channel)
        size[:] = 0
        present = 0
        for p in range(1, frames + 1):
            if begin[p, side] > begin[p, 0]:
                for t in range(p - 1, frames, p):
                    firing[t * frames + size[t]] = present * block
                    size[t] += 1
                present += 1
        for start in range(0, tall, lines):
            end = min(start + lines, tall)
            top, bottom = start * stride - padding, (end - 1) * stride + pool - padding
            current[: present * block] = 0
            own = 0
            for p in range(1, frames + 1):
                if begin[p, side] == begin[p, 0]:
                    continue
                for source in range(max(top, 0), min(bottom + kernel - 1, side)):
                    first, last = max(source - kernel + 1, top), min(source + 1, bottom)
                    for e in range(begin[p, source], begin[p, source + 1]):
                        if clipped:
                            left = position[e] + padding - kernel + 1
                            low, high = max(left, 0), min(left + kernel, width)
                            place, skipped, long = low * units, (low - left) * units, (high - low) * units
                        else:
                            place, skipped, long = position[e] * units, 0, wide
                        weights = (source - first) * inputs * wide + channel[e] * wide + skipped
                        place += own + (first - top) * line
                        for _ in range(first, last):
                            add_row(flat, weights, long, current, place)
                            weights -= inputs * wide
                            place += line
                own += block
            potential[:] = _ZERO
            for t in range(frames):
                total[:] = 0
                sum_rows(current, firing, t * frames, t * frames + size[t], 0, block, total, 0)
                for y in range(end - start):
                    for a in range(pool):
                        summed = total[(y * stride + a) * line + begun :]
                        for x in range(tall):
                            pooled = best[x * units : (x + 1) * units]
                            for b in range(pool):
                                column = summed[(x * stride + b) * units : (x * stride + b + 1) * units]
                                if a == 0 and b == 0:
                                    for u in range(units):
                                        pooled[u] = column[u]
                                else:
                                    for u in range(units):
                                        pooled[u] = max(pooled[u], column[u])
                    spikes, charge = out[t, i, start + y].reshape(-1), potential[y]
                    for j in range(charge.size):
                        v = charge[j] * decay + (np.float32(best[j]) * scale[j] + bias[j])
                        fires = v >= level
                        spikes[j] = fires
                        charge[j] = _ZERO if fires else v
