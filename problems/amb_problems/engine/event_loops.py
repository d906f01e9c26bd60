"""Compiled loops of `EventConvolution`: lists of the rows of weights that spikes select, and the sums of those rows.

The sums run in vector registers of 16-bit integers.
"""

import numpy as np

from amb.compiling import compiled
from amb_problems.engine.vector_sums import shift_8, sum_rows

LANES = 32
"""Rows of weights are padded to a multiple of this, so that they begin at lines of the cache."""
_PATTERNS = (np.arange(256)[:, None] >> np.arange(8)) & 1
_FIRING = np.argsort(1 - _PATTERNS, axis=1, kind="stable").astype(np.int32)
"""For every pattern of eight neurons, the numbers of those that fire, then those of the others."""
_NUMBER = _PATTERNS.sum(axis=1)
"""How many of them fire."""
_ZERO = np.float32(0)


@compiled(nogil=True)
def _list_spikes(spikes, inputs, side, padded, listed, begin):  # type: ignore[no-untyped-def]
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
def _list_quartets(spikes, inputs, side, padded, listed, begin):  # type: ignore[no-untyped-def]
    """An entry for every group of four neurons, firing or not: where the row of sums of their pattern begins."""
    quartets = inputs // 4
    words = spikes.view(np.uint32)
    for y in range(side):
        start = y * side * quartets
        for k in range(side * quartets):
            # The lowest bits of the bytes, side by side.
            pattern = (words[start + k] * np.uint32(0x01020408)) >> np.uint32(24)
            listed[start + k] = (np.int32(k) * np.int32(16) + np.int32(pattern & np.uint32(15))) * padded
        for x in range(side + 1):
            begin[y, x] = start + x * quartets


@compiled(nogil=True)
def _sum_map(spikes, rows, quartets, spill, kernel, stride, padding, inputs, side, tall, listed, begin, partial, total):  # type: ignore[no-untyped-def]
    """The sums of a map's weights: in `partial`, or if they may `spill` over 16 bits, in `total`.

    `rows` int16 `[k, padded]` have the layout of `EventConvolution`. The entries of a map are listed by column, so that
    everything a line of the kernel covers is one stretch of the list. The loop over lines is outside the loop over
    positions, so that the rows of one line stay in the first-level cache.
    """
    padded = rows.shape[1]
    flat = rows.reshape(-1)
    if quartets:
        _list_quartets(spikes, inputs, side, np.int32(padded), listed, begin)
    else:
        _list_spikes(spikes, inputs, side, np.int32(padded), listed, begin)
    column = (inputs * 4 if quartets else inputs) * padded
    partial[:] = 0
    total[:] = 0
    for line in range(kernel):
        for y in range(tall):
            source = y * stride - padding + line
            if source < 0 or source >= side:
                continue
            for x in range(tall):
                left = x * stride - padding
                low, high = max(left, 0), min(left + kernel, side)
                first, last = begin[source, low], begin[source, high]
                base = (line * kernel - left) * column
                sum_rows(flat, listed, first, last, base, padded, partial, (y * tall + x) * padded)
        if spill:
            for j in range(total.size):
                total[j] += partial[j]
            partial[:] = 0


@compiled(nogil=True)
def _set_currents(sums, padded, outputs, scale, bias, out):  # type: ignore[no-untyped-def]
    for position in range(out.size // outputs):
        # Slices with indices from 0, which the compiler turns into vectors.
        summed, current = sums[position * padded :], out[position * outputs : (position + 1) * outputs]
        for u in range(outputs):
            current[u] = np.float32(summed[u]) * scale[u] + bias[u]


@compiled(nogil=True)
def convolve(spikes, rows, quartets, spill, scale, bias, kernel, stride, padding, out):  # type: ignore[no-untyped-def]
    """Currents float32 `out[n, height, width, outputs]` of spikes uint8 `[n, side, side, inputs]`, 0 or 1.

    The current is `sum * scale + bias`; see `_sum_map`.
    """
    n, side, _, inputs = spikes.shape
    tall, outputs = out.shape[1], out.shape[3]
    padded = rows.shape[1]
    listed = np.empty(side * side * inputs + 8, np.int32)
    begin = np.empty((side, side + 1), np.int64)
    partial = np.empty(tall * tall * padded, np.int16)
    total = np.empty(partial.size if spill else 0, np.int32)
    maps, currents = spikes.reshape(n, -1), out.reshape(n, -1)
    for i in range(n):
        _sum_map(
            maps[i], rows, quartets, spill, kernel, stride, padding, inputs, side, tall, listed, begin, partial, total
        )
        if spill:
            _set_currents(total, padded, outputs, scale, bias, currents[i])
        else:
            _set_currents(partial, padded, outputs, scale, bias, currents[i])


@compiled(nogil=True)
def _fire(sums, scale, bias, shortcut, potential, decay, level, kept, taken, out):  # type: ignore[no-untyped-def]
    """One frame of a map; `scale` and `bias` are those of one line of it."""
    size = scale.size
    for start in range(0, potential.size, size):
        received, charge = sums[start : start + size], potential[start : start + size]
        spikes = out[start : start + size]
        if shortcut.size:
            added = shortcut[start : start + size]
            for j in range(size):
                current = np.float32(received[j]) * scale[j] + bias[j]
                v = charge[j] * decay + (current + np.float32(added[j]))
                fires = v >= level
                spikes[j] = fires
                charge[j] = v * kept - taken if fires else v
        else:
            for j in range(size):
                v = charge[j] * decay + (np.float32(received[j]) * scale[j] + bias[j])
                fires = v >= level
                spikes[j] = fires
                charge[j] = v * kept - taken if fires else v


@compiled(nogil=True)
def fire(spikes, rows, quartets, spill, scale, bias, kernel, stride, padding, shortcut, decay, level, kept, taken, out):  # type: ignore[no-untyped-def]
    """Spikes `out[frames, n, height, width, outputs]` of neurons under the currents of spikes of the same form.

    `shortcut` (spikes or currents, `[frames, n, height * width * outputs]`) is added to the currents; if it is empty,
    nothing is. Rows are not padded. Currents and potentials of a map stay in the cache.
    """
    frames, n, side, _, inputs = spikes.shape
    tall, outputs = out.shape[2], out.shape[4]
    listed = np.empty(side * side * inputs + 8, np.int32)
    begin = np.empty((side, side + 1), np.int64)
    partial = np.empty(tall * tall * outputs, np.int16)
    total = np.empty(partial.size if spill else 0, np.int32)
    potential = np.empty(partial.size, np.float32)
    factor, offset = np.empty(tall * outputs, np.float32), np.empty(tall * outputs, np.float32)
    for x in range(tall):
        factor[x * outputs : (x + 1) * outputs] = scale
        offset[x * outputs : (x + 1) * outputs] = bias
    maps, fired = spikes.reshape(frames, n, -1), out.reshape(frames, n, -1)
    nothing = shortcut[0, 0, :0]
    for i in range(n):
        potential[:] = _ZERO
        for t in range(frames):
            _sum_map(
                maps[t, i], rows, quartets, spill, kernel, stride, padding, inputs, side, tall, listed, begin,
                partial, total,
            )  # fmt: skip
            added = shortcut[t, i] if shortcut.shape[2] else nothing
            if spill:
                _fire(total, factor, offset, added, potential, decay, level, kept, taken, fired[t, i])
            else:
                _fire(partial, factor, offset, added, potential, decay, level, kept, taken, fired[t, i])
