"""Compiled loops of `PairLayer`: products of bytes in AVX2's registers, added up in pairs."""

from collections.abc import Sequence
from itertools import product

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from amb.compiling import compiled
from amb_problems.engine.vector_code import ONE, TWO, WORD

OUTPUTS = 8
"""Outputs of a vector: four products of bytes each."""
_BYTE, _NUMBER = ir.IntType(8), ir.IntType(32)
_BYTES, _SHORTS = ir.VectorType(_BYTE, 32), ir.VectorType(ir.IntType(16), 16)
_INTEGERS, _REALS = ir.VectorType(_NUMBER, OUTPUTS), ir.VectorType(ir.FloatType(), OUTPUTS)


@intrinsic
def _tile(  # type: ignore[no-untyped-def]
    typing, maps, at, step, place, groups, weight, first, out, to, size, scale, bias, output, positions, vectors, quads
):
    """Compiles some outputs of some positions: `sum * scale + bias`.

    Arrays are flat. Position p reads `maps` from `at + p * step` on, four bytes from each entry of `place` on, and is
    written to `out` from `to + p * size` on. The weights begin at `first`, the scales and biases at `output`. The
    tuples `positions`, `vectors` and `quads` are as long as there are positions, vectors of outputs, and groups of four
    bytes whose products 16 bits hold.
    """
    number = types.int64
    signature = types.void(
        maps, number, number, place, number, weight, number, out, number, number, scale, bias, number, positions,
        vectors, quads,
    )  # fmt: skip

    def code(context, builder, signature, arguments: Sequence[ir.Value]):  # type: ignore[no-untyped-def]
        def data(argument: int) -> ir.Value:
            kind = signature.args[argument]
            return cgutils.create_struct_proxy(kind)(context, builder, value=arguments[argument]).data

        def vector(kind: ir.Type, place: ir.Value) -> ir.Value:
            return builder.bitcast(place, kind.as_pointer())

        def load(kind: ir.Type, place: ir.Value, align: int) -> ir.Value:
            value = builder.load(vector(kind, place))
            value.align = align
            return value

        def instruction(name: str, result: ir.Type, *given: ir.Type) -> ir.Value:
            name = f"llvm.x86.avx2.{name}"
            return builder.module.globals.get(name) or ir.Function(builder.module, ir.FunctionType(result, given), name)

        def constant(value: int) -> ir.Value:
            return ir.Constant(WORD, value)

        times, widen = (
            instruction("pmadd.ub.sw", _SHORTS, _BYTES, _BYTES),
            instruction("pmadd.wd", _INTEGERS, _SHORTS, _SHORTS),
        )
        ones = ir.Constant(_SHORTS, [1] * 16)
        at, step, groups, first, to, size, output = (arguments[i] for i in (1, 2, 4, 6, 8, 9, 12))
        cells = list(product(range(positions.count), range(vectors.count)))
        sources = [
            builder.gep(data(0), [builder.add(at, builder.mul(step, constant(p)))]) for p in range(positions.count)
        ]
        weights, places = builder.gep(data(5), [first]), data(3)
        before = builder.block
        head, body, done = (builder.append_basic_block(name) for name in ("head", "body", "done"))
        builder.branch(head)
        builder.position_at_end(head)
        j, sums = builder.phi(WORD), {cell: builder.phi(_INTEGERS) for cell in cells}
        builder.cbranch(builder.icmp_signed("<", j, groups), body, done)
        builder.position_at_end(body)
        own = builder.gep(weights, [builder.mul(j, constant(quads.count * vectors.count * 32))])
        entries = builder.gep(places, [builder.mul(j, constant(quads.count))])
        shorts: dict[tuple[int, int], ir.Value] = {}
        for q in range(quads.count):
            entry = builder.sext(builder.load(builder.gep(entries, [constant(q)])), WORD)
            row = [
                load(_BYTES, builder.gep(own, [constant((q * vectors.count + v) * 32)]), 32)
                for v in range(vectors.count)
            ]
            for p, source in enumerate(sources):
                four = load(_NUMBER, builder.gep(source, [entry]), 1)
                lone = builder.insert_element(ir.Constant(_INTEGERS, ir.Undefined), four, ir.Constant(_NUMBER, 0))
                spread = builder.shuffle_vector(lone, lone, ir.Constant(_INTEGERS, [0] * OUTPUTS))
                for v, factor in enumerate(row):
                    made = builder.call(times, [builder.bitcast(spread, _BYTES), factor])
                    shorts[p, v] = builder.add(shorts[p, v], made) if q else made
        added = {cell: builder.add(sums[cell], builder.call(widen, [shorts[cell], ones])) for cell in cells}
        following = builder.add(j, constant(1))
        builder.branch(head)
        j.add_incoming(constant(0), before)
        j.add_incoming(following, body)
        for cell in cells:
            sums[cell].add_incoming(ir.Constant(_INTEGERS, None), before)
            sums[cell].add_incoming(added[cell], body)
        builder.position_at_end(done)
        for p, v in cells:
            mine = builder.add(output, constant(v * OUTPUTS))
            factor, offset = (load(_REALS, builder.gep(data(argument), [mine]), 4) for argument in (10, 11))
            result = builder.fadd(builder.fmul(builder.sitofp(sums[p, v], _REALS), factor), offset)
            target = builder.add(to, builder.add(builder.mul(size, constant(p)), constant(v * OUTPUTS)))
            builder.store(result, vector(_REALS, builder.gep(data(7), [target]))).align = 4
        return context.get_dummy_value()

    return signature, code


@compiled(nogil=True)
def sum_row(maps, source, inputs, width, layer, part, parts, row):  # type: ignore[no-untyped-def]
    """Currents of a row of positions, stride 1.

    Args:
        maps: uint8, flat, padded.
        source: where the row's first position begins in `maps`.
        inputs: bytes of a position.
        width: number of positions.
        layer: `PairLayer.arguments`.
        part, parts: which part of the layer's outputs to compute.
        row: receives float32 `[width, outputs / parts]`, flat.
    """
    place, weight, scale, bias, vectors, quads = layer
    block = len(vectors) * OUTPUTS
    groups, size = place.size // len(quads), scale.size // parts
    for start in range(0, size, block):
        output = part * size + start
        first = output * place.size * 4
        for x in range(0, width - 1, 2):
            _tile(  # type: ignore[call-arg]
                maps, source + x * inputs, inputs, place, groups, weight, first, row, x * size + start, size, scale,
                bias, output, TWO, vectors, quads,
            )  # fmt: skip
        if width % 2:
            x = width - 1
            _tile(  # type: ignore[call-arg]
                maps, source + x * inputs, inputs, place, groups, weight, first, row, x * size + start, size, scale,
                bias, output, ONE, vectors, quads,
            )  # fmt: skip


@compiled(nogil=True)
def convolve(maps, layer, out):  # type: ignore[no-untyped-def]
    """Currents float32 `out[n, height, width, outputs]` of padded maps of bytes `[n, ., ., inputs]`, stride 1."""
    n, _, side, inputs = maps.shape
    height, width = out.shape[1:3]
    flat = maps.reshape(-1)
    for i in range(n):
        for y in range(height):
            sum_row(flat, (i * maps.shape[1] + y) * side * inputs, inputs, width, layer, 0, 1, out[i, y].reshape(-1))
