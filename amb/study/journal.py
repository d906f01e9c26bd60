"""The trace of a run under way, on disk before the solver hears it.

An Arrow stream: one record batch for each batch asked, with a checksum and the seconds metered so far. A process
that dies in the middle of a write leaves a torn last record; reading stops before it, as before any record whose
checksum is wrong. Every record is handed to the operating system at once: what a solver was told survives the
death of the process, though not a power failure, as nothing waits for the disk to confirm.
"""

import json
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass
from functools import lru_cache
from math import inf
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa

from amb.contracts.space import FloatArray, IntArray
from amb.errors import StudyError
from amb.study.durable import rename
from amb.study.messages import refuse_compressed
from amb.study.runs import MODES, Known, RunPlan, Seconds, Trace
from amb.study.untrusted import MEBIBYTE, json_object, parse_json, read_bytes

# Bytes of a journal that are read at most.
LARGEST = 1024 * MEBIBYTE

_PLAN, _NOTE, _SUM = b"amb.run.plan", b"amb.note", b"amb.crc32"


@lru_cache(maxsize=64)
def trace_schema(d: int) -> pa.Schema:
    """Columns of a trace on disk; levels fit in 16 bits."""
    return pa.schema([("candidate", pa.list_(pa.uint16(), d)), ("value", pa.float64()), ("clean", pa.float64())])


def expected_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of a trace with as many modes as a stranger's says.

    Raises:
        ValueError, KeyError: it says nothing of the kind.
    """
    kind = schema.field("candidate").type
    if not pa.types.is_fixed_size_list(kind) or not 1 <= kind.list_size <= MODES:
        raise ValueError(f"its candidates are {kind}, no fixed number of modes up to {MODES}")
    return trace_schema(kind.list_size)


def to_batch(candidates: IntArray, values: FloatArray, clean: FloatArray) -> pa.RecordBatch:
    """Rows of a trace as one record batch."""
    d = candidates.shape[1]
    flat = pa.array(np.ascontiguousarray(candidates, dtype=np.uint16).ravel())
    columns = [pa.FixedSizeListArray.from_arrays(flat, d), pa.array(values), pa.array(clean)]
    return pa.RecordBatch.from_arrays(columns, schema=trace_schema(d))


def from_table(table: pa.Table, batches: IntArray) -> Trace:
    """The trace that a table of the schema above holds."""
    combined = table.combine_chunks()
    d = table.schema.field("candidate").type.list_size
    if len(table) == 0:
        return Trace.empty(d)
    flat = combined["candidate"].chunk(0).flatten().to_numpy(zero_copy_only=False)
    return Trace(
        flat.reshape(-1, d).astype(np.int64),
        combined["value"].to_numpy().astype(np.float64),
        combined["clean"].to_numpy().astype(np.float64),
        batches,
    )


class Journal:
    """Appends the batches of one run.

    Opening it writes what is `known` already (what an earlier process left) anew and renames it into place, so a
    torn tail is gone and the old journal stays until the new one is whole.

    Raises:
        StudyError: the journal cannot be written.
    """

    def __init__(self, path: Path, d: int, known: Known | None = None, *, plan: RunPlan | None = None) -> None:
        self.path = path
        schema = trace_schema(d)
        if plan is not None:
            schema = schema.with_metadata({_PLAN: json.dumps(asdict(plan))})
        temporary = path.with_suffix(".new")
        try:
            temporary.unlink(missing_ok=True)  # it may be a link
            self._file = temporary.open("wb")
            self._writer = pa.ipc.new_stream(self._file, schema)
            if known is not None:
                ends = np.cumsum(known.trace.batches)
                for start, end in zip(ends - known.trace.batches, ends, strict=True):
                    self._write(*known.trace.rows(start, end), known.seconds, continues=False)
            self._file.flush()
            if known is not None and len(known.trace):  # else there is nothing yet that a power failure could take
                os.fsync(self._file.fileno())
                rename(temporary, path)
            else:
                os.replace(temporary, path)
        except OSError as cause:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise self._failed(cause) from cause

    def append(
        self,
        candidates: IntArray,
        values: FloatArray,
        clean: FloatArray,
        seconds: Seconds = Seconds(),  # noqa: B008 - frozen
        *,
        continues: bool = False,
    ) -> None:
        """Add one batch; it is with the operating system when this returns.

        Args:
            seconds: what the run has cost so far.
            continues: these rows belong to the batch before: a smaller budget had cut it.
        """
        try:
            self._write(candidates, values, clean, seconds, continues=continues)
            self._file.flush()
        except OSError as cause:
            raise self._failed(cause) from cause

    def close(self) -> None:
        """Close the file; the journal stays until `discard`. A disk that is full is no reason to fail here."""
        if not self._file.closed:
            with suppress(OSError, pa.ArrowException):
                self._writer.close()
            with suppress(OSError):
                self._file.close()

    def discard(self) -> None:
        """Close and delete: the run's own file has taken its place."""
        self.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(
        self, candidates: IntArray, values: FloatArray, clean: FloatArray, seconds: Seconds, *, continues: bool
    ) -> None:
        batch = to_batch(candidates, values, clean)
        note = json.dumps([*astuple(seconds), continues]).encode()
        self._writer.write_batch(batch, custom_metadata={_NOTE: note, _SUM: str(_checksum(batch, note))})

    def _failed(self, cause: OSError) -> StudyError:
        return StudyError(
            f"cannot write the journal {self.path}: {cause.strerror or cause}; what was measured before is kept, "
            "and the same command goes on from there"
        )


@dataclass(frozen=True)
class JournalContent:
    """What a journal holds.

    Attributes:
        known: its whole batches, and what they cost.
        plan: the run it belongs to, if its writer said so.
        whole: False if bytes after the last whole batch are torn or damaged.
    """

    known: Known
    plan: RunPlan | None
    whole: bool


def read_journal(path: Path) -> JournalContent | None:
    """All whole batches of a journal; None if there is none, or nothing in it is whole."""
    try:
        content = read_bytes(path, LARGEST)
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise StudyError(f"cannot read the journal {path}: {cause.strerror or cause}") from cause
    try:
        reader = pa.ipc.open_stream(content)
        schema = reader.schema
        if schema != expected_schema(schema):
            return None
        plan = (schema.metadata or {}).get(_PLAN)
        owner = RunPlan.from_content(json_object(plan)) if plan else None
    except (pa.ArrowException, OSError, KeyError, AttributeError, EOFError, ValueError, TypeError):
        return None
    whole: list[pa.RecordBatch] = []
    sizes: list[int] = []
    seconds, torn = Seconds(), False
    records = _records(reader, content)
    while True:
        try:
            batch, seconds_now, continues = next(records)
        except StopIteration:
            break
        except (pa.ArrowException, OSError, EOFError, ValueError, TypeError, KeyError):
            torn = True
            break
        whole.append(batch)
        seconds = seconds_now
        if continues and sizes:
            sizes[-1] += len(batch)
        else:
            sizes.append(len(batch))
    if not whole:
        return None
    trace = from_table(pa.Table.from_batches(whole, schema=schema), np.array(sizes, dtype=np.int64))
    return JournalContent(Known(trace, seconds), owner, not torn)


def _records(reader: pa.RecordBatchStreamReader, content: bytes) -> Iterator[tuple[pa.RecordBatch, Seconds, bool]]:
    """Record by record, each only if its checksum is right."""
    messages = pa.ipc.MessageReader.open_stream(content)
    messages.read_next_message()  # the schema
    while True:
        try:
            refuse_compressed(messages.read_next_message())
            batch, metadata = reader.read_next_batch_with_custom_metadata()
        except StopIteration:
            return
        batch.validate(full=True)
        note = metadata[_NOTE]
        if int(metadata[_SUM]) != _checksum(batch, note):
            raise ValueError("a record's checksum is wrong")
        *seconds, continues = parse_json(note)
        if not all(type(part) in (int, float) and 0 <= part < inf for part in seconds):
            raise ValueError("a record's seconds are no numbers")
        yield batch, Seconds(*seconds), bool(continues)


def _checksum(batch: pa.RecordBatch, note: bytes) -> int:
    candidates, values, clean = batch.columns
    total = zlib.crc32(note)
    for column in (candidates.flatten(), values, clean):
        total = zlib.crc32(column.to_numpy(zero_copy_only=True), total)
    return total
