"""Compiled loops of `EventConvolution`: lists of the rows of weights that spikes select, and the sums of those rows.

The sums run in vector registers of 16-bit integers.
"""

from collections.abc import Callable, Sequence

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from amb.compiling import compiled

LANES = 16
_UNROLLED = 4


def _adder(vectors: int) -> Callable[..., None]:
    """Compiles `total[o:] += sum(weight[base + row[j] + o:] for j in range(first, last))` for a number of vectors.

    numba does not expose vector registers: through memory, the same loop takes three instructions instead of one.
    """

    @intrinsic
    def add(typing, weight, row, first, last, base, o, total):  # type: ignore[no-untyped-def]
        signature = types.void(weight, row, first, last, base, o, total)

        def code(context, builder, signature, arguments: Sequence[ir.Value]):  # type: ignore[no-untyped-def]
            def data(i: int) -> ir.Value:
                return cgutils.create_struct_proxy(signature.args[i])(context, builder, value=arguments[i]).data

            word, vector = ir.IntType(64), ir.VectorType(ir.IntType(16), LANES)

            def at(origin: ir.Value, v: int) -> ir.Value:
                place = builder.gep(origin, [ir.Constant(word, v * LANES)])
                return builder.bitcast(place, vector.as_pointer())

            def load(place: ir.Value) -> ir.Value:
                value = builder.load(place)
                value.align = 2
                return value

            first, last, base, o = arguments[2:6]
            own = builder.gep(data(6), [o])
            origin = builder.gep(data(0), [builder.add(base, o)])
            numbers = data(1)

            def loop(step: int, start: ir.Value, sums: Sequence[ir.Value]) -> tuple[ir.Value, list[ir.Value]]:
                """Add `step` rows at a time while enough remain; returns where it stopped, and the sums."""
                before = builder.block
                head, body, done = (builder.append_basic_block(name) for name in ("head", "body", "done"))
                builder.branch(head)
                builder.position_at_end(head)
                j, olds = builder.phi(word), [builder.phi(vector) for _ in sums]
                following = builder.add(j, ir.Constant(word, step))
                builder.cbranch(builder.icmp_signed("<=", following, last), body, done)
                builder.position_at_end(body)
                news: list[ir.Value] = list(olds)
                for i in range(step):
                    number = builder.load(builder.gep(numbers, [builder.add(j, ir.Constant(word, i))]))
                    place = builder.gep(origin, [builder.sext(number, word)])
                    news = [builder.add(new, load(at(place, v))) for v, new in enumerate(news)]
                builder.branch(head)
                for phi, old, new in [(j, start, following), *zip(olds, sums, news, strict=True)]:
                    phi.add_incoming(old, before)
                    phi.add_incoming(new, body)
                builder.position_at_end(done)
                return j, olds

            j, news = loop(_UNROLLED, first, [load(at(own, v)) for v in range(vectors)])
            j, news = loop(1, j, news)
            for v, new in enumerate(news):
                builder.store(new, at(own, v)).align = 2
            return context.get_dummy_value()

        return signature, code

    return add


_add_16, _add_32, _add_64, _add_128 = _adder(1), _adder(2), _adder(4), _adder(8)


@compiled(nogil=True)
def _add_rows(weight, row, first, last, base, total):  # type: ignore[no-untyped-def]
    """Add rows `first` to `last` in the widest possible pieces."""
    o = 0
    while o + 128 <= total.size:
        _add_128(weight, row, first, last, base, o, total)
        o += 128
    if o + 64 <= total.size:
        _add_64(weight, row, first, last, base, o, total)
        o += 64
    if o + 32 <= total.size:
        _add_32(weight, row, first, last, base, o, total)
        o += 32
    if o + 16 <= total.size:
        _add_16(weight, row, first, last, base, o, total)


@compiled(nogil=True)
def _list_spikes(spikes, padded, listed, begin):  # type: ignore[no-untyped-def]
    """An entry for each neuron that fires: where its row would begin if its column were the kernel's first."""
    side, _, inputs = spikes.shape
    k = 0
    for y in range(side):
        for x in range(side):
            begin[y, x] = k
            for c in range(inputs):
                listed[k] = (x * inputs + c) * padded
                k += spikes[y, x, c]
        begin[y, side] = k


@compiled(nogil=True)
def _list_quartets(spikes, padded, listed, begin):  # type: ignore[no-untyped-def]
    """An entry for every group of four neurons, firing or not: where the row of sums of their pattern begins."""
    side, _, inputs = spikes.shape
    quartets = inputs // 4
    words = spikes.reshape(-1).view(np.uint32)
    for k in range(side * side * quartets):
        column = k % (side * quartets)
        # The four lowest bits of the bytes, side by side.
        pattern = (words[k] * np.uint32(0x01020408)) >> np.uint32(24)
        listed[k] = (np.int32(column) * 16 + np.int32(pattern & np.uint32(15))) * padded
    for y in range(side):
        for x in range(side + 1):
            begin[y, x] = (y * side + x) * quartets


@compiled(nogil=True)
def convolve(spikes, rows, quartets, spill, scale, bias, kernel, stride, padding, out):  # type: ignore[no-untyped-def]
    """Currents float32 `out[n, height, width, outputs]` of spikes uint8 `[n, side, side, inputs]`, 0 or 1.

    `rows` int16 `[k, padded]` have the layout of `EventConvolution`; the current is `sum * scale + bias`. The entries
    of a map are listed by column, so that everything a line of the kernel covers is one stretch of the list. The loop
    over lines is outside the loop over positions, so that the rows of one line stay in the first-level cache. Where
    sums may `spill` over 16 bits, they are accumulated in 32 bits after every line.
    """
    n, side, _, inputs = spikes.shape
    tall, outputs = out.shape[1], out.shape[3]
    padded = rows.shape[1]
    flat = rows.reshape(-1)
    column = (inputs * 4 if quartets else inputs) * padded
    listed = np.empty(side * side * inputs + 1, np.int32)
    begin = np.empty((side, side + 1), np.int64)
    partial = np.zeros((tall, tall, padded), np.int16)
    total = np.zeros((tall, tall, padded) if spill else (1, 1, 1), np.int32)
    for i in range(n):
        if quartets:
            _list_quartets(spikes[i], padded, listed, begin)
        else:
            _list_spikes(spikes[i], padded, listed, begin)
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
                    _add_rows(flat, listed, first, last, (line * kernel - left) * column, partial[y, x])
            if spill:
                for y in range(tall):
                    for x in range(tall):
                        for u in range(padded):
                            total[y, x, u] += partial[y, x, u]
                partial[:] = 0
        for y in range(tall):
            for x in range(tall):
                current = out[i, y, x]
                for u in range(outputs):
                    summed = total[y, x, u] if spill else np.int32(partial[y, x, u])
                    current[u] = np.float32(summed) * scale[u] + bias[u]
