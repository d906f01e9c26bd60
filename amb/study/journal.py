"""The trace of a run under way, on disk before the solver hears it.

An Arrow stream: one record batch for each batch asked. A process that dies in the middle of a write leaves a
torn last record; reading stops before it.
"""

from functools import lru_cache
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa

from amb.contracts.space import FloatArray, IntArray
from amb.errors import StudyError
from amb.runs import Trace


@lru_cache(maxsize=64)
def trace_schema(d: int) -> pa.Schema:
    """Columns of a trace on disk; levels fit in 16 bits."""
    return pa.schema([("candidate", pa.list_(pa.uint16(), d)), ("value", pa.float64()), ("clean", pa.float64())])


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

    Opening it writes `trace` (what an earlier process left, already read) anew and renames it into place, so
    a torn tail is gone and the old journal stays until the new one is whole.

    Raises:
        StudyError: the journal cannot be written.
    """

    def __init__(self, path: Path, d: int, trace: Trace | None = None) -> None:
        self.path = path
        temporary = path.with_suffix(".new")
        try:
            self._file = temporary.open("wb")
            self._writer = pa.ipc.new_stream(self._file, trace_schema(d))
            if trace is not None:
                ends = np.cumsum(trace.batches)
                for start, end in zip(ends - trace.batches, ends, strict=True):
                    rows = slice(start, end)
                    self._write(trace.candidates[rows], trace.values[rows], trace.clean[rows])
            self._file.flush()
            temporary.replace(path)
        except OSError as cause:
            raise StudyError(f"cannot write the journal {path}: {cause.strerror or cause}") from cause

    def append(self, candidates: IntArray, values: FloatArray, clean: FloatArray) -> None:
        """Add one batch; it is with the operating system when this returns."""
        try:
            self._write(candidates, values, clean)
            self._file.flush()
        except OSError as cause:
            raise StudyError(f"cannot write the journal {self.path}: {cause.strerror or cause}") from cause

    def close(self) -> None:
        """Close the file; the journal stays until `discard`."""
        if not self._file.closed:
            self._writer.close()
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

    def _write(self, candidates: IntArray, values: FloatArray, clean: FloatArray) -> None:
        self._writer.write_batch(to_batch(candidates, values, clean))


def read_journal(path: Path) -> Trace | None:
    """All whole batches of a journal; None if there is none or not even its header is whole."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    whole: list[pa.RecordBatch] = []
    try:
        reader = pa.ipc.open_stream(content)
        schema = reader.schema
        if schema != trace_schema(schema.field("candidate").type.list_size):
            return None
        for batch in reader:
            batch.validate(full=True)
            whole.append(batch)
    except (pa.ArrowInvalid, OSError, KeyError, AttributeError, EOFError):
        if not whole:
            return None
    sizes = np.array([len(batch) for batch in whole], dtype=np.int64)
    return from_table(pa.Table.from_batches(whole, schema=schema), sizes)
