"""What an Arrow message declares, before pyarrow acts on it."""

import struct

import pyarrow as pa

# Slots of the flatbuffer tables Message and RecordBatch (Arrow's format/Message.fbs).
_HEADER, _COMPRESSION = 2, 3


def refuse_compressed(message: pa.ipc.Message) -> None:
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
    """Where a field of a flatbuffer table stands, None if it is absent."""
    (back,) = struct.unpack_from("<i", content, table)
    size, _ = struct.unpack_from("<HH", content, table - back)
    at = 4 + 2 * slot
    if at + 2 > size:
        return None
    (offset,) = struct.unpack_from("<H", content, table - back + at)
    return table + offset if offset else None
