"""Convolutions that touch only the weights of neurons that fire: one row of additions for a spike, nothing for silence.

Of the shipped networks' neurons, 11 to 31% fire in a frame. A processor that has no dot product of bytes multiplies
zeros for the rest; adding the rows of weights that spikes select takes a third or a quarter of the time there, with
the same integers as result. The sums run in vector registers of 16-bit integers, which 255 weights of 8 bits cannot
overflow, and are then added up in 32 bits.
"""

from collections.abc import Callable, Sequence

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from amb_problems.engine.network import Affine

_LANES = 16
_UNROLLED = 4
_MOST = 255  # weights whose sum 16 bits hold, whatever they are


def rows_of(affine: Affine) -> NDArray[np.int16]:
    """A row of weights for each tap and input: int16 `[kernel * kernel * inputs, outputs]`, padded to whole vectors."""
    outputs = affine.weight.shape[0]
    rows = np.zeros((affine.weight[0].numel(), -(-outputs // _LANES) * _LANES), np.int16)
    rows[:, :outputs] = affine.weight.permute(2, 3, 1, 0).reshape(-1, outputs).numpy()
    return rows


def _adder(vectors: int) -> Callable[..., None]:
    """Compiles `total[o:] += sum(weight[base + row[j] + o:] for j in range(first, last))` for so many vectors.

    numba has no vector registers to offer: through memory, the same loop takes three instructions where one will do.
    """

    @intrinsic
    def add(typing, weight, row, first, last, base, o, total):  # type: ignore[no-untyped-def]
        signature = types.void(weight, row, first, last, base, o, total)

        def code(context, builder, signature, arguments: Sequence[ir.Value]):  # type: ignore[no-untyped-def]
            def data(i: int) -> ir.Value:
                return cgutils.create_struct_proxy(signature.args[i])(context, builder, value=arguments[i]).data

            word, vector = ir.IntType(64), ir.VectorType(ir.IntType(16), _LANES)

            def at(origin: ir.Value, v: int) -> ir.Value:
                place = builder.gep(origin, [ir.Constant(word, v * _LANES)])
                return builder.bitcast(place, vector.as_pointer())

            def load(place: ir.Value) -> ir.Value:
                found = builder.load(place)
                found.align = 2
                return found

            first, last, base, o = arguments[2:6]
            own = builder.gep(data(6), [o])
            origin = builder.gep(data(0), [builder.add(base, o)])
            numbers = data(1)

            def loop(step: int, start: ir.Value, sums: Sequence[ir.Value]) -> tuple[ir.Value, list[ir.Value]]:
                """Add `step` rows at a time as long as there are so many; where it stopped, and the sums."""
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


@njit(nogil=True, cache=True)
def _add_rows(weight, row, first, last, base, total):  # type: ignore[no-untyped-def]
    """Add rows `first` to `last` in the widest pieces."""
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


@njit(nogil=True, cache=True)
def convolve(spikes, weight, scale, bias, kernel, stride, padding, out):  # type: ignore[no-untyped-def]
    """Currents float32 `out[rows, height, width, outputs]` of spikes uint8 `[rows, side, side, inputs]`, 0 or 1.

    `weight` as from `rows_of`; the current is `sum * scale + bias`. A row's spikes are listed by column and input, so
    that all that a kernel's row covers is one stretch of the list.
    """
    rows, side, _, inputs = spikes.shape
    tall, outputs = out.shape[1], out.shape[3]
    padded = weight.shape[1]
    flat = weight.reshape(-1)
    line = inputs * padded
    listed = np.empty(side * side * inputs + 1, np.int32)
    begin = np.empty((side, side + 1), np.int64)
    held, total = np.zeros(padded, np.int16), np.zeros(padded, np.int32)
    for r in range(rows):
        k = 0
        for y in range(side):
            for x in range(side):
                begin[y, x] = k
                for c in range(inputs):
                    listed[k] = x * line + c * padded
                    k += spikes[r, y, x, c]
            begin[y, side] = k
        for y in range(tall):
            for x in range(tall):
                left = x * stride - padding
                low, high = max(left, 0), min(left + kernel, side)
                held[:] = 0
                total[:] = 0
                room = _MOST
                for tap in range(max(padding - y * stride, 0), min(side + padding - y * stride, kernel)):
                    line_of_tap = y * stride - padding + tap
                    first, end = begin[line_of_tap, low], begin[line_of_tap, high]
                    while first < end:
                        if room == 0:
                            for u in range(padded):
                                total[u] += held[u]
                            held[:] = 0
                            room = _MOST
                        last = min(end, first + room)
                        _add_rows(flat, listed, first, last, (tap * kernel - left) * line, held)
                        room -= last - first
                        first = last
                current = out[r, y, x]
                for u in range(outputs):
                    current[u] = np.float32(total[u] + held[u]) * scale[u] + bias[u]
