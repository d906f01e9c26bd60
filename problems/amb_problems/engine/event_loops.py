"""Compiled loops of `EventConvolution`: the sums of the rows of weights that spikes select.

The sums run in vector registers of 16-bit integers.
"""

import numpy as np

from amb.compiling import compiled
from amb_problems.engine.sliding_sums import sum_line
from amb_problems.engine.spike_lists import list_quartets, list_spikes
from amb_problems.engine.vector_code import FOUR, ONE, TWO
from amb_problems.engine.vector_sums import sum_vectors

LANES = 32
"""Rows of weights are padded to a multiple of this, so that they begin at lines of the cache."""
_ZERO = np.float32(0)


@compiled(nogil=True)
def _sum_positions(flat, listed, begin, line, kernel, stride, padding, side, tall, column, padded, o, partial, vectors):  # type: ignore[no-untyped-def]
    """Add a line of the kernel to all positions, for as many vectors of outputs from `o` on as the tuple is long."""
    for y in range(tall):
        source = y * stride - padding + line
        if source < 0 or source >= side:
            continue
        for x in range(tall):
            left = x * stride - padding
            low, high = max(left, 0), min(left + kernel, side)
            first, last = begin[source, low], begin[source, high]
            base = (line * kernel - left) * column + o
            sum_vectors(flat, listed, first, last, base, partial, (y * tall + x) * padded + o, vectors)  # type: ignore[call-arg]


@compiled(nogil=True)
def _slide(flat, listed, begin, line, side, column, padded, o, partial, vectors):  # type: ignore[no-untyped-def]
    """`_sum_positions` for a kernel of 3, stride 1 and padding 1."""
    for y in range(max(1 - line, 0), min(side + 1 - line, side)):
        source = (y + line - 1) * (side + 1)
        place = y * side * padded + o
        sum_line(  # type: ignore[call-arg]
            flat, listed, begin, source, side, line * 3 * column + o, column, partial, place, padded,
            side * side * padded, vectors,
        )  # fmt: skip


@compiled(nogil=True)
def _sum_map(spikes, rows, quartets, spill, kernel, stride, padding, inputs, side, tall, listed, begin, partial, total):  # type: ignore[no-untyped-def]
    """The sums of a map's weights: in `partial`, or if they may `spill` over 16 bits, in `total`.

    `rows`, int16 or int8 `[k, padded]`, have the layout of `EventConvolution`. The entries of a map are listed by
    column, so that everything a line of the kernel covers is one stretch of the list. The loop over lines is outside
    the loop over positions, so that the rows of one line stay in the first-level cache.
    """
    padded = rows.shape[1]
    flat, flat_begin = rows.reshape(-1), begin.reshape(-1)
    if quartets:
        list_quartets(spikes, inputs, side, np.int32(padded), listed, begin)
    else:
        list_spikes(spikes, inputs, side, np.int32(padded), listed, begin)
    column = (inputs * 4 if quartets else inputs) * padded
    # Columns with as many entries each: a loop over a few spikes of one column ends when no processor expects it.
    slides = quartets and kernel == 3 and stride == 1 and padding == 1
    partial[:] = 0
    total[:] = 0
    for line in range(kernel):
        o = 0
        while slides and o + 64 <= padded:
            _slide(flat, listed, flat_begin, line, side, column, padded, o, partial, TWO)
            o += 64
        while slides and o < padded:
            _slide(flat, listed, flat_begin, line, side, column, padded, o, partial, ONE)
            o += 32
        while o + 128 <= padded:
            _sum_positions(
                flat, listed, begin, line, kernel, stride, padding, side, tall, column, padded, o, partial, FOUR
            )
            o += 128
        while o + 64 <= padded:
            _sum_positions(
                flat, listed, begin, line, kernel, stride, padding, side, tall, column, padded, o, partial, TWO
            )
            o += 64
        while o < padded:
            _sum_positions(
                flat, listed, begin, line, kernel, stride, padding, side, tall, column, padded, o, partial, ONE
            )
            o += 32
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

    The current is `sum * scale + bias`, whose values are `[width * outputs]`, of one line of a map; see `_sum_map`.
    """
    n, side, _, inputs = spikes.shape
    tall, outputs = out.shape[1], out.shape[3]
    padded = rows.shape[1]
    listed = np.empty(side * side * inputs + 8, np.int32)
    begin = np.empty((side, side + 1), np.int64)
    partial = np.empty((tall * tall + 1) * padded, np.int16)
    total = np.empty(tall * tall * padded if spill else 0, np.int32)
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
    """One frame of a map."""
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
    """Spikes `out[frames, n, height, width, outputs]` of neurons under the currents of spikes, as in `convolve`.

    `shortcut` (spikes or currents, `[frames, n, height * width * outputs]`) is added to the currents; if it is empty,
    nothing is. Rows are not padded. Currents and potentials of a map stay in the cache.
    """
    frames, n, side, _, inputs = spikes.shape
    tall, outputs = out.shape[2], out.shape[4]
    listed = np.empty(side * side * inputs + 8, np.int32)
    begin = np.empty((side, side + 1), np.int64)
    partial = np.empty((tall * tall + 1) * outputs, np.int16)
    total = np.empty(tall * tall * outputs if spill else 0, np.int32)
    potential = np.empty(tall * tall * outputs, np.float32)
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
                _fire(total, scale, bias, added, potential, decay, level, kept, taken, fired[t, i])
            else:
                _fire(partial, scale, bias, added, potential, decay, level, kept, taken, fired[t, i])
