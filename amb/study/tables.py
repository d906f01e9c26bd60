"""Parquet files of third parties: columns and sizes in the footer are checked before data are read."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from amb.study.untrusted import MEBIBYTE, check_file

# Limits of a footer: its longest string (a traceback, a record) and its longest list (columns, row groups).
LONGEST_STRING = 64 * MEBIBYTE
LONGEST_LIST = 1_000_000


def read_table(path: Path, *, largest: int, most: int, expected: Callable[[pa.Schema], pa.Schema]) -> pa.Table:
    """A table with the expected columns.

    Args:
        path: a Parquet file.
        largest: bytes that the file may have.
        most: numbers that a column may hold in all rows combined.
        expected: returns the schema that the file's own must equal, apart from metadata; may raise what this raises.

    Raises:
        OSError: the file does not exist, is not a regular file, or is too large.
        ValueError, pyarrow.ArrowException: it is not such a table, or declares more than it may.
    """
    check_file(path, largest)
    limits = {"thrift_string_size_limit": LONGEST_STRING, "thrift_container_size_limit": LONGEST_LIST}
    with pq.ParquetFile(path, page_checksum_verification=True, **limits) as file:
        metadata = file.metadata
        schema = file.schema_arrow
        if not schema.equals(expected(schema)):
            raise ValueError("its columns are not those of such a file")
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        if sum(group.num_rows for group in groups) != metadata.num_rows or metadata.num_rows > most:
            raise ValueError(f"it declares {metadata.num_rows:,} rows; the limit is {most:,}")
        # Decodes block by block and keeps nothing. This comes first, since pyarrow 26 aborts the process if it is asked
        # for the metadata of a column chunk that makes no sense.
        if file.scan_contents() != metadata.num_rows:
            raise ValueError("its columns do not hold as many rows as it declares")
        for i in range(metadata.num_columns):
            chunks = [group.column(i) for group in groups]
            declared = sum(chunk.num_values for chunk in chunks)
            room = sum(chunk.total_uncompressed_size for chunk in chunks)
            if not 0 <= declared <= most or not 0 <= room <= 9 * most + LONGEST_STRING:
                raise ValueError(f"it declares {declared:,} numbers in {room:,} bytes; the limit is {most:,}")
        return file.read()
