"""Finished runs on disk: one Parquet file per run, its trace as columns, its record and batches as metadata."""

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from amb.contracts.space import DIMENSIONS, LEVELS, FloatArray, IntArray
from amb.errors import StudyError
from amb.study.runs import RunRecord, Trace
from amb.study.tables import read_table, write_table
from amb.study.untrusted import MEBIBYTE, open_file, parse_json, refuse_unreadable

# Limits on what is read: numbers in a run's trace, bytes of a run's file.
MOST_NUMBERS = 1 << 28
LARGEST_RUN = 4096 * MEBIBYTE
# Bytes that a run may take in memory: 7 million queries in 32 dimensions.
LARGEST_DECODED = 1024 * MEBIBYTE


@lru_cache(maxsize=64)
def trace_schema(d: int) -> pa.Schema:
    """Columns of a trace on disk; levels fit in 16 bits."""
    return pa.schema([("candidate", pa.list_(pa.uint16(), d)), ("value", pa.float64()), ("clean", pa.float64())])


def expected_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of a trace with the number of dimensions that a file's schema states.

    Raises:
        ValueError, KeyError: the file's schema does not state it.
    """
    kind = schema.field("candidate").type
    if not pa.types.is_fixed_size_list(kind) or not 1 <= kind.list_size <= DIMENSIONS:
        raise ValueError(f"its candidates are {kind}, not a fixed number of dimensions up to {DIMENSIONS}")
    return trace_schema(kind.list_size)


def to_batch(candidates: IntArray, values: FloatArray, clean: FloatArray) -> pa.RecordBatch:
    """Rows of a trace as one record batch."""
    d = candidates.shape[1]
    flat = pa.array(np.ascontiguousarray(candidates, dtype=np.uint16).ravel())
    columns = [pa.FixedSizeListArray.from_arrays(flat, d), pa.array(values), pa.array(clean)]
    return pa.RecordBatch.from_arrays(columns, schema=trace_schema(d))


def from_table(table: pa.Table, batches: IntArray) -> Trace:
    """The trace that a table of the schema above holds.

    Raises:
        ValueError: a candidate is missing or incomplete.
    """
    d = table.schema.field("candidate").type.list_size
    candidates = np.empty((len(table), d), np.int64)
    first = 0
    for chunk in table["candidate"].chunks:  # not combined, which copies all of it
        flat = chunk.flatten()
        if len(flat) != len(chunk) * d or flat.null_count:
            raise ValueError("some of its candidates are missing")
        candidates[first : first + len(chunk)] = flat.to_numpy().reshape(-1, d)
        first += len(chunk)
    values, clean = (table[name].to_numpy().astype(np.float64) for name in ("value", "clean"))
    return Trace(candidates, values, clean, batches)


def check_size(d: int, levels: int, queries: int) -> None:
    """Check that a run can be stored and read again.

    Args:
        d: its dimensions; `levels`, the most that one of them has.
        queries: its budget.

    Raises:
        ValueError: it has too many of them.
    """
    if d > DIMENSIONS or levels > LEVELS:
        raise ValueError(f"its space has {d:,} dimensions of up to {levels:,} levels; the limits are 65,536 of each")
    decoded, journalled = queries * (4 * d + 16), queries * (2 * d + 64)
    if queries * d > MOST_NUMBERS or max(decoded, journalled) > LARGEST_DECODED - MEBIBYTE:
        most = min(MOST_NUMBERS // d, (LARGEST_DECODED - MEBIBYTE) // max(4 * d + 16, 2 * d + 64))
        raise ValueError(f"{queries:,} queries in {d:,} dimensions are too many to store; the limit is {most:,}")


def write_run(path: Path, record: RunRecord, trace: Trace) -> None:
    """Write one run file, complete or not at all.

    Raises:
        StudyError: the folder cannot be written, or `read_run` would refuse the file.
    """
    try:
        low, high = int(trace.candidates.min(initial=0)), int(trace.candidates.max(initial=0))
        if low < 0:
            raise ValueError("it lacks candidates")
        check_size(trace.candidates.shape[1], max(high, *record.recommended, 0) + 1, len(trace))
        text = record.to_json()
        RunRecord.from_json(text)
        record.check(trace)
    except (ValueError, TypeError) as cause:
        raise StudyError(f"the run {record.plan.name[:200]} cannot be stored: {cause}") from cause
    batch = to_batch(trace.candidates, trace.values, trace.clean)
    metadata = {"amb.record": text, "amb.batches": json.dumps(trace.batches.tolist())}
    table = pa.Table.from_batches([batch]).replace_schema_metadata(metadata)
    write_table(path, table, dictionaries=["candidate.list.element"])  # of values they save time and space only rarely


def read_run(path: Path) -> tuple[RunRecord, Trace]:
    """Read one run file.

    Raises:
        StudyError: the file is damaged or not a run.
        UnreadableError: it cannot be read, which says nothing about its content.
    """
    advice = "`amb study doctor --repair` moves it to damaged/"
    try:
        table = read_table(
            path, largest=LARGEST_RUN, most=MOST_NUMBERS, decoded=LARGEST_DECODED, expected=expected_schema
        )
        metadata = table.schema.metadata or {}
        record = RunRecord.from_json(metadata[b"amb.record"].decode())
        batches = _batch_sizes(metadata[b"amb.batches"])
        trace = from_table(table, batches)
        record.check(trace)
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, OverflowError) as cause:
        refuse_unreadable(path, cause)
        raise StudyError(f"{path} is damaged or not a run ({cause}); {advice}") from cause
    if record.plan.run_id != path.stem:
        raise StudyError(f"{path} contradicts itself; {advice}")
    return record, trace


def _batch_sizes(text: bytes) -> IntArray:
    sizes = parse_json(text)
    if not isinstance(sizes, list) or not all(type(size) is int for size in sizes):
        raise ValueError("the sizes of its batches are not a list of whole numbers")
    return np.array(sizes, dtype=np.int64)


def read_record(path: Path) -> RunRecord | None:
    """A run's record without its trace; None if it is damaged, or has just been moved away.

    Raises:
        UnreadableError: it cannot be read.
    """
    try:
        with open_file(path, LARGEST_RUN) as file:
            metadata = pq.read_metadata(file).metadata or {}
        return RunRecord.from_json(metadata[b"amb.record"].decode())
    except FileNotFoundError:
        return None
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as cause:
        refuse_unreadable(path, cause)
        return None
