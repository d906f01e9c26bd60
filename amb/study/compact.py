"""Compact runs: all that tables need of a run, without its candidates, so that thousands of them fit into one file."""

import zlib

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from amb.contracts.space import IntArray
from amb.study.runs import AnyInts, RunRecord, Trace, row_keys


def compact(trace: Trace) -> Trace:
    """The trace with a number in place of each candidate, int64[queries, 1].

    Numbers count candidates in the order in which they were first asked for, so that equal candidates have equal ones;
    -1 where the candidate is not known.
    """
    known = trace.kept
    rows = trace.candidates if known.all() else trace.candidates[known]
    return Trace(numbered(rows, known, len(trace)), trace.values, trace.clean, trace.batches)


def pack(record: RunRecord, trace: Trace) -> bytes:
    """A record and its compact trace as bytes."""
    same = np.array_equal(trace.clean, trace.values, equal_nan=True)
    columns = _Columns(
        record,
        trace.values.astype("<f8").tobytes(),
        None if same else trace.clean.astype("<f8").tobytes(),
        *_narrow(trace.candidates[:, 0] + 1),
        *_narrow(trace.batches),
    )
    content: bytes = _ENCODER.encode(columns)
    return zlib.crc32(content).to_bytes(4, "little") + content


def unpack(packed: bytes) -> tuple[RunRecord, Trace] | None:
    """The record and the compact trace that `pack` was given; None if the bytes are damaged."""
    if zlib.crc32(content := memoryview(packed)[4:]) != int.from_bytes(packed[:4], "little"):
        return None
    try:
        columns = _DECODER.decode(content)
        values = np.frombuffer(columns.values, "<f8").astype(np.float64)
        clean = values.copy() if columns.clean is None else np.frombuffer(columns.clean, "<f8").astype(np.float64)
        numbers = np.frombuffer(columns.numbers, f"<u{columns.number_width}").astype(np.int64) - 1
        batches = np.frombuffer(columns.batches, f"<u{columns.batch_width}").astype(np.int64)
    except (msgspec.MsgspecError, ValueError, TypeError, ZeroDivisionError, RecursionError):
        return None
    if not columns.record.queries == len(values) == len(clean) == len(numbers) == sum(batches.tolist()):
        return None
    return columns.record, Trace(numbers.reshape(-1, 1), values, clean, batches)


class _Columns(Struct, frozen=True, array_like=True):
    """The numbers of a trace as bytes of unsigned integers, as narrow as they allow; `clean` is None if it is equal."""

    record: RunRecord
    values: bytes
    clean: bytes | None
    numbers: bytes
    number_width: int
    batches: bytes
    batch_width: int


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Columns)


def numbered(candidates: AnyInts, kept: NDArray[np.bool_] | AnyInts, queries: int) -> IntArray:
    """The numbers of candidates, int64[queries, 1].

    Args:
        candidates: those that are known, in query order.
        kept: their queries.
        queries: how many queries there are.
    """
    numbers: dict[bytes, int] = {}
    column = np.full((queries, 1), -1, dtype=np.int64)
    column[kept, 0] = np.fromiter(
        (numbers.setdefault(key, len(numbers)) for key in row_keys(candidates)), np.int64, len(candidates)
    )
    return column


def _narrow(numbers: NDArray[np.int64]) -> tuple[bytes, int]:
    """Numbers from 0 as bytes, and how many bytes each takes."""
    width = np.min_scalar_type(int(numbers.max(initial=0))).itemsize
    return numbers.astype(f"<u{width}").tobytes(), width
