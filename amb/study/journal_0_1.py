"""Journals of version 0.1: an Arrow stream, one record batch per batch asked for. They are read, never written.

This module can go once unfinished studies of version 0.1 need no longer be resumed.
"""

import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from amb.activation import as_activations
from amb.study.runs import Known, RunPlan, Seconds, Trace, as_seconds
from amb.study.traces import expected_schema, from_table
from amb.study.untrusted import json_object, parse_json

SUFFIX = ".arrows"

_PLAN, _NOTE, _SUM = b"amb.plan", b"amb.note", b"amb.crc32"
# Slots of the flatbuffer tables Message and RecordBatch (Arrow's format/Message.fbs).
_HEADER, _COMPRESSION = 2, 3
_DAMAGE = (pa.ArrowException, OSError, EOFError, ValueError, TypeError, KeyError, AttributeError)


def parse(content: bytes) -> tuple[Known, RunPlan | None, bool] | None:
    """The complete batches, their run, and whether nothing after them is damaged; None if no batch is complete."""
    try:
        reader = pa.ipc.open_stream(content)
        schema = reader.schema
        if schema != expected_schema(schema):
            return None
        plan = (schema.metadata or {}).get(_PLAN)
        owner = RunPlan.from_content(json_object(plan)) if plan else None
    except _DAMAGE:
        return None
    batches: list[pa.RecordBatch] = []
    sizes: list[int] = []
    seconds, whole = Seconds(), True
    try:
        for batch, seconds_now, continues in _records(reader, content):
            batches.append(batch)
            seconds = seconds_now
            if continues and sizes:
                sizes[-1] += len(batch)
            else:
                sizes.append(len(batch))
    except _DAMAGE:
        whole = False
    if not batches:
        return None
    trace = from_table(pa.Table.from_batches(batches, schema=schema), np.array(sizes, dtype=np.int64))
    trace = Trace(trace.candidates, as_activations(trace.values), as_activations(trace.clean), trace.batches)
    return Known(trace, seconds), owner, whole


def _records(reader: pa.RecordBatchStreamReader, content: bytes) -> Iterator[tuple[pa.RecordBatch, Seconds, bool]]:
    """The records one by one, each only if its checksum is right.

    Raises:
        ValueError, pyarrow.ArrowException, ...: the next record is torn or damaged.
    """
    messages = pa.ipc.MessageReader.open_stream(content)
    messages.read_next_message()  # the schema
    while True:
        try:
            _refuse_compressed(messages.read_next_message())
            batch, metadata = reader.read_next_batch_with_custom_metadata()
        except StopIteration:
            return
        batch.validate(full=True)
        note = metadata[_NOTE]
        if int(metadata[_SUM]) != _checksum(batch, note):
            raise ValueError("a record's checksum is wrong")
        *seconds, continues = parse_json(note)
        yield batch, as_seconds(seconds), bool(continues)


def _checksum(batch: pa.RecordBatch, note: bytes) -> int:
    candidates, values, clean = batch.columns
    total = zlib.crc32(note)
    for column in (candidates.flatten(), values, clean):
        total = zlib.crc32(column.to_numpy(zero_copy_only=True), total)
    return total


def _refuse_compressed(message: pa.ipc.Message) -> None:
    """Refuse a compressed record batch: its buffers may declare any size, and would be allocated before they are read.

    Without compression a batch is only a view of the bytes that are there.

    Raises:
        ValueError: the batch is compressed, or the message is damaged.
    """
    content = message.metadata.to_pybytes()
    try:
        (root,) = struct.unpack_from("<I", content, 0)
        header = _field(content, root, _HEADER)
        if header is None:
            raise ValueError("a message without a header")
        (offset,) = struct.unpack_from("<I", content, header)
        if _field(content, header + offset, _COMPRESSION) is not None:
            raise ValueError("a compressed record, which no journal has")
    except struct.error as cause:
        raise ValueError(f"a damaged message: {cause}") from cause


def _field(content: bytes, table: int, slot: int) -> int | None:
    """The position of a field of a flatbuffer table, None if it is absent."""
    (back,) = struct.unpack_from("<i", content, table)
    size, _ = struct.unpack_from("<HH", content, table - back)
    at = 4 + 2 * slot
    if at + 2 > size:
        return None
    (offset,) = struct.unpack_from("<H", content, table - back + at)
    return table + offset if offset else None
