"""Parquet files of third parties: columns and sizes in the footer are checked before data are read."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from amb.study.untrusted import MEBIBYTE, check_file

# Limits of a footer: its longest string (a traceback, a record) and its longest list (columns, row groups).
LONGEST_STRING = 64 * MEBIBYTE
LONGEST_LIST = 1_000_000
# Bytes of a number as Parquet counts it; numbers of 16 bits are stored as 32.
WIDTHS = {"DOUBLE": 8, "INT32": 4}


def read_table(
    path: Path,
    *,
    largest: int,
    most: int,
    decoded: int,
    expected: Callable[[pa.Schema], pa.Schema],
    texts: Sequence[str] = (),
) -> pa.Table:
    """A table with the expected columns.

    A few bytes can stand for a billion equal numbers or texts, so the size in memory is computed before anything is
    decoded.

    Args:
        path: a Parquet file.
        largest: bytes that the file may have.
        most: numbers that a column may hold in all rows combined.
        decoded: bytes that the table may take in memory.
        expected: returns the schema that the file's own must equal, apart from metadata; may raise what this raises.
        texts: columns of texts. They come as dictionaries, in which equal texts take the memory of one.

    Raises:
        OSError: the file does not exist, is not a regular file, or is too large.
        ValueError, pyarrow.ArrowException: it is not such a table, or declares more than it may.
    """
    check_file(path, largest)
    limits = {"thrift_string_size_limit": LONGEST_STRING, "thrift_container_size_limit": LONGEST_LIST}
    try:
        opened = pq.ParquetFile(path, page_checksum_verification=True, read_dictionary=list(texts), **limits)
    except KeyError as cause:  # it has no such column
        raise ValueError(f"it has no column {cause}") from cause
    with opened as file:
        metadata = file.metadata
        schema = _with_texts(file.schema_arrow, texts)
        if not schema.equals(expected(schema)):
            raise ValueError("its columns are not those of such a file")
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        if sum(group.num_rows for group in groups) != metadata.num_rows or metadata.num_rows > most:
            raise ValueError(f"it declares {metadata.num_rows:,} rows; the limit is {most:,}")
        unpacked = sum(group.total_byte_size for group in groups)
        if not 0 <= unpacked <= decoded:
            raise ValueError(_too_large(unpacked, decoded))
        # Decodes block by block and keeps nothing. This comes first, since pyarrow 26 aborts the process if it is asked
        # for the metadata of a column chunk that makes no sense.
        if file.scan_contents() != metadata.num_rows:
            raise ValueError("its columns do not hold as many rows as it declares")
        needed = 0
        for i in range(metadata.num_columns):
            chunks = [group.column(i) for group in groups]
            declared = sum(chunk.num_values for chunk in chunks)
            if not 0 <= declared <= most:
                raise ValueError(f"it declares {declared:,} numbers; the limit is {most:,}")
            # Texts take no more than their pages, and a number in each row.
            needed += sum(WIDTHS.get(chunk.physical_type, 4) * chunk.num_values for chunk in chunks)
            needed += sum(chunk.total_uncompressed_size for chunk in chunks if chunk.physical_type not in WIDTHS)
        if not 0 <= needed <= decoded:
            raise ValueError(_too_large(needed, decoded))
        return file.read(use_threads=False)  # threads cost more than they save on thousands of small files


def _with_texts(schema: pa.Schema, texts: Sequence[str]) -> pa.Schema:
    """The schema as it was before dictionaries of texts were asked for."""
    for name in texts:
        i = schema.get_field_index(name)
        if i >= 0 and pa.types.is_dictionary(schema.field(i).type):
            schema = schema.set(i, pa.field(name, schema.field(i).type.value_type))
    return schema


def _too_large(needed: int, limit: int) -> str:
    return f"it unfolds to {needed / MEBIBYTE:,.0f} MiB; the limit is {limit / MEBIBYTE:,.0f}"
