"""Sums of rows for 3x3 kernels: a column of the map adds its rows to three positions, whose sums stay in registers."""

from collections.abc import Sequence

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from amb_problems.engine.vector_code import WORD, Memory, Vectors, each


@intrinsic
def sum_line(typing, weight, row, begin, at_begin, columns, base, column, total, at, size, nowhere, vectors):  # type: ignore[no-untyped-def]
    """Adds one line of a map, of a kernel with three columns and one of padding, to the sums of a line of positions.

    Arrays are flat. Column x of the kernel begins at `base + x * column` in `weight`. The entries of column x of the
    map are `row[begin[at_begin + x] : begin[at_begin + x + 1]]`; an entry is `x * column`, plus where its row begins in
    a column of the kernel. Positions are `size` apart in `total`, from `at` on; what belongs to the one left of the map
    goes to `nowhere`. As many vectors of 32 integers are summed as the tuple `vectors` is long.
    """
    signature = types.void(
        weight, row, begin, types.int64, types.int64, types.int64, types.int64, total,
        types.int64, types.int64, types.int64, vectors,
    )  # fmt: skip
    number = vectors.count

    def code(context, builder, signature, arguments: Sequence[ir.Value]):  # type: ignore[no-untyped-def]
        memory = Memory(context, builder, signature, arguments, 32)
        at_begin, columns, base, column, _, at, size, nowhere = arguments[3:11]
        zero, one = ir.Constant(WORD, 0), ir.Constant(WORD, 1)
        none = [ir.Constant(memory.kind(7), None)] * number

        def add(place: ir.Value, sums: Vectors) -> None:
            """Finish a position."""
            target = memory.place(7, place)
            for v, value in enumerate(sums):
                memory.store(builder.add(memory.load(target, v), value), target, v)

        before = builder.block
        head, body, done = (builder.append_basic_block(name) for name in ("head", "body", "done"))
        start = builder.load(memory.place(2, at_begin))
        builder.branch(head)
        builder.position_at_end(head)
        x, first, origin, position = (builder.phi(WORD) for _ in range(4))
        left, middle = ([builder.phi(memory.kind(7)) for _ in range(number)] for _ in range(2))
        builder.cbranch(builder.icmp_signed("<", x, columns), body, done)
        builder.position_at_end(body)
        following = builder.add(x, one)
        last = builder.load(memory.place(2, builder.add(at_begin, following)))
        # The kernel's last column acts on the position to the left.
        near = [memory.place(0, origin)]
        for _ in range(2):
            near.insert(0, builder.gep(near[0], [column]))

        def turn(j: ir.Value, _: int, sums: list[Vectors]) -> None:
            entry = builder.sext(builder.load(memory.place(1, j)), WORD)
            for k, place in enumerate(near):
                weights = builder.gep(place, [entry])
                sums[k] = [
                    builder.add(old, memory.load_as(memory.kind(7), weights, v)) for v, old in enumerate(sums[k])
                ]

        own, next_left, next_middle = each(builder, first, last, [left, middle, none], turn)
        add(position, own)
        beside = builder.select(builder.icmp_signed("==", x, zero), at, builder.add(position, size))
        starts = [zero, start, base, nowhere, *none, *none]
        nexts = [following, last, builder.sub(origin, column), beside, *next_left, *next_middle]
        after = builder.block
        builder.branch(head)
        for phi, initial, value in zip([x, first, origin, position, *left, *middle], starts, nexts, strict=True):
            phi.add_incoming(initial, before)
            phi.add_incoming(value, after)
        builder.position_at_end(done)
        add(position, left)
        return context.get_dummy_value()

    return signature, code
