"""Sums of rows of integers in vector registers, for compiled loops."""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from amb.compiling import compiled
from amb_problems.engine.vector_code import FOUR, ONE, TWO, WORD, Memory, Vectors, each

LINE = 64
"""Bytes in a line of the cache: a vector that crosses from one line into the next takes twice the time to load."""
_CHAINS = 4


def aligned(values: NDArray[Any]) -> NDArray[Any]:
    """A contiguous copy that begins at a line of the cache."""
    space = np.empty(values.nbytes + LINE, np.uint8)
    start = -space.ctypes.data % LINE
    copy = space[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


def _sum(vectors: int, lanes: int, context, builder, signature, arguments: Sequence[ir.Value]) -> ir.Value:  # type: ignore[no-untyped-def]
    """Writes `total[at:] += sum(weight[base + row[j] :] for j in range(first, last))` for a number of vectors.

    Few vectors are summed in several chains, since an addition waits for the one before.
    """
    chains = max(1, _CHAINS // vectors)
    memory = Memory(context, builder, signature, arguments, lanes)
    first, last, base = arguments[2:5]
    own, origin = memory.place(5, arguments[6]), memory.place(0, base)
    kind = memory.kind(5)
    zero = ir.Constant(kind, None)
    sums = [[memory.load(own, v) for v in range(vectors)], *[[zero] * vectors for _ in range(chains - 1)]]

    def turn(j: ir.Value, number: int, sums: list[Vectors]) -> None:
        place = builder.gep(origin, [builder.sext(builder.load(memory.place(1, j)), WORD)])
        own = number % chains
        sums[own] = [builder.add(old, memory.load_as(kind, place, v)) for v, old in enumerate(sums[own])]

    summed = each(builder, first, last, sums, turn)
    for v, parts in enumerate(zip(*summed, strict=True)):
        memory.store(reduce(builder.add, parts), own, v)
    return context.get_dummy_value()


def _summer(vectors: int, lanes: int) -> Callable[..., None]:
    """Compiles `_sum` for a number of vectors."""

    @intrinsic
    def add(typing, weight, row, first, last, base, total, at):  # type: ignore[no-untyped-def]
        return types.void(weight, row, first, last, base, total, at), partial(_sum, vectors, lanes)

    return add


@intrinsic
def sum_vectors(typing, weight, row, first, last, base, total, at, vectors):  # type: ignore[no-untyped-def]
    """Compiles `_sum` for as many vectors of 32 integers as the tuple `vectors` is long, such as `TWO`."""
    signature = types.void(weight, row, first, last, base, total, at, vectors)
    return signature, partial(_sum, vectors.count, 32)


def _adder(vectors: int, lanes: int) -> Callable[..., None]:
    """Compiles `total[at:] += weight[row:]` for a number of vectors."""

    @intrinsic
    def add(typing, weight, row, total, at):  # type: ignore[no-untyped-def]
        signature = types.void(weight, row, total, at)

        def code(context, builder, signature, arguments: Sequence[ir.Value]):  # type: ignore[no-untyped-def]
            memory = Memory(context, builder, signature, arguments, lanes)
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
        memory = Memory(context, builder, signature, arguments, 8)
        values = memory.load(memory.place(0, arguments[1]), 0)
        element, number = values.type.element, arguments[2]
        spread = ir.Constant(values.type, ir.Undefined)
        for i in range(8):
            spread = builder.insert_element(spread, builder.trunc(number, element), ir.Constant(element, i))
        memory.store(builder.add(values, spread), memory.place(3, arguments[4]), 0)
        return context.get_dummy_value()

    return signature, code


_sum_8, _sum_16 = _summer(1, 8), _summer(1, 16)
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
        sum_vectors(weight, row, first, last, base + o, total, at + o, FOUR)  # type: ignore[call-arg]
        o += 128
    if o + 64 <= size:
        sum_vectors(weight, row, first, last, base + o, total, at + o, TWO)  # type: ignore[call-arg]
        o += 64
    if o + 32 <= size:
        sum_vectors(weight, row, first, last, base + o, total, at + o, ONE)  # type: ignore[call-arg]
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
