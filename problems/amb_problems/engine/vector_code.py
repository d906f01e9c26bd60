"""Code of vectors in registers, for the intrinsics of compiled loops.

numba does not expose vector registers: through memory, the same loop takes three instructions instead of one.
"""

from collections.abc import Callable, Sequence
from itertools import chain

from llvmlite import ir
from numba import types
from numba.core import cgutils

WORD = ir.IntType(64)
Vectors = list[ir.Value]
ONE, TWO, FOUR = (0,), (0, 0), (0, 0, 0, 0)
"""Numbers that are known when a loop is compiled: as tuples of their length."""
_UNROLLED = 4


class Memory:
    """Vectors of the flat arrays that an intrinsic is given."""

    def __init__(self, context, builder, signature, arguments: Sequence[ir.Value], lanes: int) -> None:  # type: ignore[no-untyped-def]
        self._builder = builder
        self._data = [
            cgutils.create_struct_proxy(kind)(context, builder, value=value).data
            if isinstance(kind, types.Array)
            else None
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        self._types = signature.args
        self._lanes = lanes

    def kind(self, argument: int) -> ir.VectorType:
        """The type of a vector of an array."""
        return ir.VectorType(ir.IntType(self._types[argument].dtype.bitwidth), self._lanes)

    def place(self, argument: int, index: ir.Value) -> ir.Value:
        """The address of an element of an array."""
        return self._builder.gep(self._data[argument], [index])

    def load(self, place: ir.Value, number: int) -> ir.Value:
        """A vector, counted from the address of an element."""
        value = self._builder.load(self._vector(place, number))
        value.align = place.type.pointee.width // 8
        return value

    def load_as(self, kind: ir.VectorType, place: ir.Value, number: int) -> ir.Value:
        """`load`, widened to a type of the same or of more bits."""
        value = self.load(place, number)
        return value if value.type == kind else self._builder.sext(value, kind)

    def store(self, value: ir.Value, place: ir.Value, number: int) -> None:
        """Store a vector, counted from the address of an element."""
        self._builder.store(value, self._vector(place, number)).align = place.type.pointee.width // 8

    def _vector(self, place: ir.Value, number: int) -> ir.Value:
        start = self._builder.gep(place, [ir.Constant(WORD, number * self._lanes)])
        return self._builder.bitcast(start, ir.VectorType(place.type.pointee, self._lanes).as_pointer())


def each(
    builder: ir.IRBuilder,
    first: ir.Value,
    last: ir.Value,
    sums: Sequence[Vectors],
    turn: Callable[[ir.Value, int, list[Vectors]], None],
) -> Sequence[Vectors]:
    """Writes a loop over `range(first, last)`, several turns at a time while enough remain.

    Args:
        builder: of the code.
        first, last: 64-bit integers.
        sums: what is kept in registers from turn to turn.
        turn: code of one turn, given the loop's number, the turn's number among those at a time, and the sums, which
            it replaces.

    Returns:
        The sums after the loop.
    """
    j = first
    for step in (_UNROLLED, 1):
        before = builder.block
        head, body, done = (builder.append_basic_block(name) for name in ("head", "body", "done"))
        builder.branch(head)
        builder.position_at_end(head)
        now, olds = builder.phi(WORD), [[builder.phi(old.type) for old in group] for group in sums]
        following = builder.add(now, ir.Constant(WORD, step))
        builder.cbranch(builder.icmp_signed("<=", following, last), body, done)
        builder.position_at_end(body)
        news: list[Vectors] = [list(group) for group in olds]
        for i in range(step):
            turn(builder.add(now, ir.Constant(WORD, i)), i, news)
        builder.branch(head)
        phis, befores, afters = (chain.from_iterable(groups) for groups in (olds, sums, news))
        for phi, old, new in [(now, j, following), *zip(phis, befores, afters, strict=True)]:
            phi.add_incoming(old, before)
            phi.add_incoming(new, body)
        builder.position_at_end(done)
        j, sums = now, olds
    return sums
