"""The compiled loops of `CompiledKernels`: plain float32 arithmetic, no fused multiply-add, no reassociation.

numba contracts or reorders nothing unless `fastmath` is set, so the loops give the same bits as the eager operations.
They release the interpreter lock and keep their state in blocks that stay in the first-level cache. numba caches the
compiled code on disk, next to this file or, if that folder is read-only, in the user's cache.
"""

import numpy as np

from amb.compiling import compiled

_BLOCK = 512
_ZERO = np.float32(0)


@compiled(nogil=True)
def periods(current, edges, frames, kernel, stride, padding, out):  # type: ignore[no-untyped-def]
    """Periods of the max-pooled constant currents.

    `edges` are those of `period_edges`, padded with minus infinity to a multiple of 8: eight comparisons per pass keep
    the running count out of memory.
    """
    images, height, width, units = current.shape
    wide = out.shape[2]
    best = np.empty((wide, units), np.float32)
    flat = best.reshape(wide * units)
    above = np.empty(flat.size, np.int32)
    for i in range(images):
        for y in range(out.shape[1]):
            best[:] = -np.inf
            for a in range(max(y * stride - padding, 0), min(y * stride - padding + kernel, height)):
                for x in range(wide):
                    for b in range(max(x * stride - padding, 0), min(x * stride - padding + kernel, width)):
                        for u in range(units):
                            best[x, u] = max(best[x, u], current[i, a, b, u])
            above[:] = 1
            for k in range(0, edges.size, 8):
                e0, e1, e2, e3 = edges[k], edges[k + 1], edges[k + 2], edges[k + 3]
                e4, e5, e6, e7 = edges[k + 4], edges[k + 5], edges[k + 6], edges[k + 7]
                for j in range(flat.size):
                    c = flat[j]
                    low = ((c < e0) + (c < e1)) + ((c < e2) + (c < e3))
                    above[j] += low + ((c < e4) + (c < e5)) + ((c < e6) + (c < e7))
            row = out[i, y].reshape(flat.size)
            for j in range(flat.size):
                row[j] = above[j] if above[j] <= frames else 0


@compiled(nogil=True)
def period_counts(periods, frames, out):  # type: ignore[no-untyped-def]
    """Add up `frames // period` over the positions."""
    spikes = np.zeros(256, np.int64)
    for period in range(1, frames + 1):
        spikes[period] = frames // period
    images, height, width, units = periods.shape
    for i in range(images):
        for y in range(height):
            for x in range(width):
                for u in range(units):
                    out[i, u] += spikes[periods[i, y, x, u]]


@compiled(nogil=True)
def trains(periods, kernel, stride, padding, out):  # type: ignore[no-untyped-def]
    """Spikes of periodic neurons, 32 frames at a time as the bits of one word; pooling is `or`."""
    frames, images, tall, wide, units = out.shape
    height, width = periods.shape[1:3]
    firing = np.zeros(256, np.uint32)
    word = np.empty((wide, units), np.uint32)
    flat = word.reshape(wide * units)
    one = np.uint32(1)
    for first in range(0, frames, 32):
        last = min(first + 32, frames)
        firing[:] = 0
        for t in range(first, last):
            for period in range(1, t + 2):
                if (t + 1) % period == 0:
                    firing[period] |= one << np.uint32(t - first)
        for i in range(images):
            for y in range(tall):
                word[:] = 0
                for a in range(max(y * stride - padding, 0), min(y * stride - padding + kernel, height)):
                    for x in range(wide):
                        for b in range(max(x * stride - padding, 0), min(x * stride - padding + kernel, width)):
                            for u in range(units):
                                word[x, u] |= firing[periods[i, a, b, u]]
                for t in range(first, last):
                    shift = np.uint32(t - first)
                    row = out[t, i, y].reshape(flat.size)
                    for j in range(flat.size):
                        row[j] = (flat[j] >> shift) & one


@compiled(nogil=True)
def hold(current, decay, level, kept, taken, out):  # type: ignore[no-untyped-def]
    """Spikes `[frames, neurons]` under constant currents `[neurons]`."""
    frames, neurons = out.shape
    potential = np.empty(_BLOCK, np.float32)
    for start in range(0, neurons, _BLOCK):
        size = min(_BLOCK, neurons - start)
        potential[:] = _ZERO
        received = current[start : start + size]
        for t in range(frames):
            spikes = out[t, start : start + size]
            for j in range(size):
                v = potential[j] * decay + received[j]
                fires = v >= level
                spikes[j] = fires
                potential[j] = v * kept - taken if fires else v


@compiled(nogil=True)
def fire(current, decay, level, kept, taken, out):  # type: ignore[no-untyped-def]
    """Spikes `[frames, neurons]` under currents `[frames, neurons]`."""
    frames, neurons = current.shape
    potential = np.empty(_BLOCK, np.float32)
    for start in range(0, neurons, _BLOCK):
        size = min(_BLOCK, neurons - start)
        potential[:] = _ZERO
        for t in range(frames):
            received = current[t, start : start + size]
            spikes = out[t, start : start + size]
            for j in range(size):
                v = potential[j] * decay + received[j]
                fires = v >= level
                spikes[j] = fires
                potential[j] = v * kept - taken if fires else v


@compiled(nogil=True)
def fire_sum(current, shortcut, decay, level, kept, taken, out):  # type: ignore[no-untyped-def]
    """`fire` with a shortcut (spikes or currents) added to the currents first."""
    frames, neurons = current.shape
    potential = np.empty(_BLOCK, np.float32)
    for start in range(0, neurons, _BLOCK):
        size = min(_BLOCK, neurons - start)
        potential[:] = _ZERO
        for t in range(frames):
            received = current[t, start : start + size]
            added = shortcut[t, start : start + size]
            spikes = out[t, start : start + size]
            for j in range(size):
                v = potential[j] * decay + (received[j] + np.float32(added[j]))
                fires = v >= level
                spikes[j] = fires
                potential[j] = v * kept - taken if fires else v


@compiled(nogil=True)
def count(spikes, out):  # type: ignore[no-untyped-def]
    """Add up spikes `[frames, n, positions, units]` to `[n, units]`."""
    frames, images, positions, units = spikes.shape
    total = np.empty(units, np.int32)
    for i in range(images):
        total[:] = 0
        for t in range(frames):
            for p in range(positions):
                for u in range(units):
                    total[u] += spikes[t, i, p, u]
        for u in range(units):
            out[i, u] = total[u]
