"""Sums of rows of integers in vector registers, for compiled loops.

numba does not expose vector registers: through memory, the same loop takes three instructions instead of one.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import chain
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from amb.compiling import compiled

LINE = 64
"""Bytes in a line of the cache: a vector that crosses from one line into the next takes twice the time to load."""
_UNROLLED = 4
_CHAINS = 4
_WORD = ir.IntType(64)
_Vectors = list[ir.Value]


def aligned(values: NDArray[Any]) -> NDArray[Any]:
    """A contiguous copy that begins at a line of the cache."""
    space = np.empty(values.nbytes + LINE, np.uint8)
    start = -space.ctypes.data % LINE
    copy = space[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


class _Memory:
    """Vectors of the flat arrays that an intrinsic is given."""

    def __init__(self, context, builder, signature, arguments: Sequence[ir.Value], lanes: int) -> None:  # type: ignore[no-untyped-def]
        self._builder = builder
        self._data = [
            cgutils.create_struct_proxy(kind)(context, builder, value=value).data
            if isinstance(kind, types.Array)
            else None
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        self._bytes = signature.args[0].dtype.bitwidth // 8
        self._vector = ir.VectorType(ir.IntType(8 * self._bytes), lanes)
        self._lanes = lanes

    def place(self, argument: int, index: ir.Value) -> ir.Value:
        """The address of an element of an array."""
        return self._builder.gep(self._data[argument], [index])

    def vector(self, place: ir.Value, number: int) -> ir.Value:
        """The address of a vector, counted from a place."""
        start = self._builder.gep(place, [ir.Constant(_WORD, number * self._lanes)])
        return self._builder.bitcast(start, self._vector.as_pointer())

    def load(self, place: ir.Value, number: int) -> ir.Value:
        value = self._builder.load(self.vector(place, number))
        value.align = self._bytes
        return value

    def store(self, value: ir.Value, place: ir.Value, number: int) -> None:
        self._builder.store(value, self.vector(place, number)).align = self._bytes


def _summer(vectors: int, lanes: int) -> Callable[..., None]:
    """Compiles `total[at:] += sum(weight[base + row[j] :] for j in range(first, last))` for a number of vectors.

    Few vectors are summed in several chains, since an addition waits for the one before.
    """
    chains = max(1, _CHAINS // vectors)

    @intrinsic
    def add(typing, weight, row, first, last, base, total, at):  # type: ignore[no-untyped-def]
        signature = types.void(weight, row, first, last, base, total, at)

        def code(context, builder, signature, arguments: Sequence[ir.Value]):  # type: ignore[no-untyped-def]
            memory = _Memory(context, builder, signature, arguments, lanes)
            first, last, base = arguments[2:5]
            own, origin = memory.place(5, arguments[6]), memory.place(0, base)

            def loop(step: int, start: ir.Value, sums: Sequence[_Vectors]) -> tuple[ir.Value, list[_Vectors]]:
                """Add `step` rows at a time while enough remain; returns where it stopped, and the sums."""
                before = builder.block
                head, body, done = (builder.append_basic_block(name) for name in ("head", "body", "done"))
                builder.branch(head)
                builder.position_at_end(head)
                j, olds = builder.phi(_WORD), [[builder.phi(old.type) for old in group] for group in sums]
                following = builder.add(j, ir.Constant(_WORD, step))
                builder.cbranch(builder.icmp_signed("<=", following, last), body, done)
                builder.position_at_end(body)
                news: list[_Vectors] = [list(group) for group in olds]
                for i in range(step):
                    number = builder.load(memory.place(1, builder.add(j, ir.Constant(_WORD, i))))
                    place = builder.gep(origin, [builder.sext(number, _WORD)])
                    group = news[i % len(news)]
                    news[i % len(news)] = [builder.add(new, memory.load(place, v)) for v, new in enumerate(group)]
                builder.branch(head)
                phis, befores, afters = (chain.from_iterable(groups) for groups in (olds, sums, news))
                for phi, old, new in [(j, start, following), *zip(phis, befores, afters, strict=True)]:
                    phi.add_incoming(old, before)
                    phi.add_incoming(new, body)
                builder.position_at_end(done)
                return j, olds

            zero = ir.Constant(memory.load(own, 0).type, None)
            sums = [[memory.load(own, v) for v in range(vectors)], *[[zero] * vectors for _ in range(chains - 1)]]
            j, sums = loop(_UNROLLED, first, sums)
            j, sums = loop(1, j, sums)
            for v, parts in enumerate(zip(*sums, strict=True)):
                memory.store(reduce(builder.add, parts), own, v)
            return context.get_dummy_value()

        return signature, code

    return add


def _adder(vectors: int, lanes: int) -> Callable[..., None]:
    """Compiles `total[at:] += weight[row:]` for a number of vectors."""

    @intrinsic
    def add(typing, weight, row, total, at):  # type: ignore[no-untyped-def]
        signature = types.void(weight, row, total, at)

        def code(context, builder, signature, arguments: Sequence[ir.Value]):  # type: ignore[no-untyped-def]
            memory = _Memory(context, builder, signature, arguments, lanes)
            source, target = memory.place(0, arguments[1]), memory.place(2, arguments[3])
            for v in range(vectors):
                memory.store(builder.add(memory.load(target, v), memory.load(source, v)), target, v)
            return context.get_dummy_value()

        return signature, code

    return add


@intrinsic
def shift_8(typing, source, first, shift, target, at):  # type: ignore[no-untyped-def]
    """Compiles `target[at : at + 8] = source[first : first + 8] + shift`; arrays are flat, of int32."""
    signature = types.void(source, types.int64, types.int64, target, types.int64)

    def code(context, builder, signature, arguments: Sequence[ir.Value]):  # type: ignore[no-untyped-def]
        memory = _Memory(context, builder, signature, arguments, 8)
        values = memory.load(memory.place(0, arguments[1]), 0)
        element, number = values.type.element, arguments[2]
        spread = ir.Constant(values.type, ir.Undefined)
        for i in range(8):
            spread = builder.insert_element(spread, builder.trunc(number, element), ir.Constant(element, i))
        memory.store(builder.add(values, spread), memory.place(3, arguments[4]), 0)
        return context.get_dummy_value()

    return signature, code


_sum_8, _sum_16, _sum_32, _sum_64, _sum_128 = (
    _summer(1, 8), _summer(1, 16), _summer(1, 32), _summer(2, 32), _summer(4, 32)
)  # fmt: skip
_add_8, _add_16, _add_32, _add_64, _add_128 = (
    _adder(1, 8), _adder(1, 16), _adder(1, 32), _adder(2, 32), _adder(4, 32)
)  # fmt: skip


@compiled(nogil=True)
def sum_rows(weight, row, first, last, base, size, total, at):  # type: ignore[no-untyped-def]
    """Add rows of `size` weights, which begin at `base + row[first:last]`, to `total` from `at` on.

    Arrays are flat, `row` is int32, and `size` is a multiple of 8.
    """
    o = 0
    while o + 128 <= size:
        _sum_128(weight, row, first, last, base + o, total, at + o)
        o += 128
    if o + 64 <= size:
        _sum_64(weight, row, first, last, base + o, total, at + o)
        o += 64
    if o + 32 <= size:
        _sum_32(weight, row, first, last, base + o, total, at + o)
        o += 32
    if o + 16 <= size:
        _sum_16(weight, row, first, last, base + o, total, at + o)
        o += 16
    if o + 8 <= size:
        _sum_8(weight, row, first, last, base + o, total, at + o)


@compiled(nogil=True)
def add_row(weight, row, size, total, at):  # type: ignore[no-untyped-def]
    """Add `size` weights from `row` on to `total` from `at` on; arrays are flat, `size` is a multiple of 8."""
    o = 0
    while o + 128 <= size:
        _add_128(weight, row + o, total, at + o)
        o += 128
    if o + 64 <= size:
        _add_64(weight, row + o, total, at + o)
        o += 64
    if o + 32 <= size:
        _add_32(weight, row + o, total, at + o)
        o += 32
    if o + 16 <= size:
        _add_16(weight, row + o, total, at + o)
        o += 16
    if o + 8 <= size:
        _add_8(weight, row + o, total, at + o)
