"""Parquet files: written whole, and read after columns and sizes in the footer, which may be foreign, are checked."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from amb.memory import wanted
from amb.study.durable import write_whole
from amb.study.untrusted import CELL_BYTES, MEBIBYTE, open_file

# Limits of a footer: its longest string (a traceback, a record) and its longest list (columns, row groups).
LONGEST_STRING = 64 * MEBIBYTE
LONGEST_LIST = 1_000_000
# How every file is opened. A thread of Arrow's that reads ahead aborts a process that ends meanwhile (status 134): it
# gives a buffer back to an interpreter that is gone.
_OPENING = {
    "pre_buffer": False,
    "thrift_string_size_limit": LONGEST_STRING,
    "thrift_container_size_limit": LONGEST_LIST,
}
# Rows that are read at once of a table that is read so.
MOST_AT_ONCE = 1024
# Bytes of the rows that are read at once of a table that is larger, and larger than this.
READ_AT_ONCE = 64 * MEBIBYTE
# Bytes of a number as Parquet counts it; numbers of 16 bits are stored as 32.
WIDTHS = {"DOUBLE": 8, "INT64": 8, "INT96": 12, "FLOAT": 4, "INT32": 4, "BOOLEAN": 1}
TEXT, FIXED_TEXT = "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"


def write_table(path: Path, table: pa.Table, level: int | None = None, dictionaries: list[str] | None = None) -> None:
    """Replace a Parquet file; see `write_whole` and `table_bytes`.

    Raises:
        StudyError: the file cannot be written.
    """
    write_whole(path, table_bytes(table, level, dictionaries))


def table_bytes(table: pa.Table, level: int | None = None, dictionaries: list[str] | None = None) -> bytes:
    """A Parquet file.

    Args:
        table: its content.
        level: of compression; by default the fast one.
        dictionaries: the columns, by their paths in the file, in which equal values are stored once; by default all.
    """
    file = io.BytesIO()
    pq.write_table(
        table,
        file,
        compression="zstd",
        compression_level=level,
        use_dictionary=True if dictionaries is None else dictionaries,
        write_page_checksum=True,
    )
    return file.getvalue()


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
        UnfitError: the file is not a regular one, or is too large.
        OSError: it cannot be read.
        ValueError, pyarrow.ArrowException: it is not such a table, or declares more than it may.
        MemoryError: there is not enough memory to read it, which says nothing about the file.
    """
    try:
        # Opened here, since Arrow's errors do not tell a file that cannot be read from a damaged one.
        with open_file(path, largest) as file:
            return _read(file, most, decoded, expected, texts)
    except (pa.ArrowException, OSError) as cause:
        if wanted(cause):
            raise MemoryError(f"cannot read {path}: {cause}") from cause
        raise


def _read(
    source: BinaryIO, most: int, decoded: int, expected: Callable[[pa.Schema], pa.Schema], texts: Sequence[str]
) -> pa.Table:
    try:
        opened = pq.ParquetFile(source, page_checksum_verification=True, read_dictionary=list(texts), **_OPENING)
    except KeyError as cause:  # it has no such column
        raise ValueError(f"it has no column {cause}") from cause
    with opened as file:
        schema = _with_texts(file.schema_arrow, texts)
        if not schema.equals(expected(schema)):
            raise ValueError("its columns are not those of such a file")
        needed = _check_sizes(file, most, decoded)
        if needed <= READ_AT_ONCE:
            return file.read(use_threads=False)  # threads cost more than they save on thousands of small files
        # Arrow takes five times the memory of a column of lists while it reads it as one.
        rows = max(1, file.metadata.num_rows * READ_AT_ONCE // needed)
        return pa.Table.from_batches(file.iter_batches(rows, use_threads=False), file.schema_arrow)


def read_rows(
    path: Path,
    *,
    largest: int,
    most: int,
    decoded: int,
    expected: Callable[[pa.Schema], pa.Schema],
    columns: Sequence[str],
) -> tuple[int, Iterator[pa.RecordBatch]]:
    """The number of rows of a table, and its rows, a few at a time: of bytes within structs, which come as they are.

    A dictionary page of a few bytes can stand for the same megabyte in every row, so as many rows are read at once as
    fit into `decoded` even then.

    Args:
        path, largest, most, expected: see `read_table`.
        decoded: bytes that the pages of a column may take in one group of rows, and the rows that are read at once.
        columns: those to read, by their paths in the file.

    Raises:
        UnfitError, OSError, ValueError, pyarrow.ArrowException: as `read_table`; some of them when the rows are read.
    """
    with open_file(path, largest) as source, pq.ParquetFile(source, **_OPENING) as file:
        if not file.schema_arrow.equals(expected(file.schema_arrow)):
            raise ValueError("its columns are not those of such a file")
        groups = _check_rows(file, most)
        pages = [group.column(i).total_uncompressed_size for group in groups for i in range(group.num_columns)]
        if pages and not 0 < min(pages) <= max(pages) <= decoded:
            raise ValueError(_too_large(max(pages), decoded))
        # Arrow doubles its buffer when a row does not fit.
        at_once = max(1, min(decoded // (2 * max(pages, default=1)), MOST_AT_ONCE))
        number = file.metadata.num_rows

    def rows() -> Iterator[pa.RecordBatch]:
        with open_file(path, largest) as source, pq.ParquetFile(source, **_OPENING) as file:
            yield from file.iter_batches(at_once, columns=list(columns), use_threads=False)

    return number, rows()


def read_columns(content: bytes, *, most: int, decoded: int) -> dict[str, list[Any]]:
    """The columns of a table of any schema, as lists of Python's own values.

    An index of pandas whose numbers are evenly spaced is not a column of the file: pandas notes its ends there.

    Args:
        content: of a Parquet file.
        most: see `read_table`.
        decoded: bytes that the table may take in memory, as Arrow's and again as Python's values.

    Raises:
        ValueError, pyarrow.ArrowException: it is not such a table, declares more than it may, or has two columns of one
            name or lists of texts.
    """
    with pq.ParquetFile(io.BytesIO(content), **_OPENING) as file:
        columns = [file.schema.column(i) for i in range(len(file.schema))]
        texts = [column.path for column in columns if column.physical_type == TEXT]
        if nested := [path for path in texts if path not in file.schema_arrow.names]:
            raise ValueError(f"{nested[0]} holds texts within lists; expected numbers")
        names = file.schema_arrow.names
        if len(set(names)) < len(names):
            raise ValueError(f"it has two columns of one name: {', '.join(names)}")
    with pq.ParquetFile(io.BytesIO(content), read_dictionary=texts, **_OPENING) as file:
        _check_sizes(file, most, decoded)
        spaced = _spaced(file)
        if (needed := _bytes_as_objects(file) + CELL_BYTES * sum(map(len, spaced.values()))) > decoded:
            raise ValueError(_too_large(needed, decoded))
        table = file.read(use_threads=False)
    indices = {name: list(rows) for name, rows in spaced.items()}
    return indices | {name: [cell for chunk in table[name].chunks for cell in _cells(chunk)] for name in names}


def _spaced(file: pq.ParquetFile) -> dict[str, range]:
    """Named indices that pandas wrote as ranges, of which only the ends are in the file."""
    schema, count = file.schema_arrow, file.metadata.num_rows
    try:
        noted = schema.pandas_metadata["index_columns"]
        ranges = {index["name"]: range(index["start"], index["stop"], index["step"]) for index in noted}
    except (ValueError, TypeError, KeyError, RecursionError):  # an index that is a column, or another writer
        return {}
    return {
        name: rows
        for name, rows in ranges.items()
        if isinstance(name, str) and name not in schema.names and len(rows) == count
    }


def _bytes_as_objects(file: pq.ParquetFile) -> int:
    """What the numbers of a table take as objects; each list or structure around one counts as another object."""
    metadata, count = file.metadata, 0
    for i in range(metadata.num_columns):
        column = file.schema.column(i)
        values = sum(metadata.row_group(group).column(i).num_values for group in range(metadata.num_row_groups))
        depth = column.path.count(".") + 1  # a list is two parts of a path: spikes.list.element
        count += values * max(1, depth - column.max_repetition_level)
    return CELL_BYTES * count


def _cells(chunk: pa.Array) -> Iterable[Any]:
    """The values of a column, in which equal texts are one object."""
    if not pa.types.is_dictionary(chunk.type):
        return chunk.to_pylist()
    words = chunk.dictionary.to_pylist()
    return [None if i is None else words[i] for i in chunk.indices.to_pylist()]


def _check_sizes(file: pq.ParquetFile, most: int, decoded: int) -> int:
    """Refuse a table before it is decoded; its texts are read as dictionaries.

    Returns:
        Bytes that it takes in memory.

    Raises:
        ValueError, pyarrow.ArrowException: it declares more than it may, or contradicts itself.
    """
    metadata = file.metadata
    groups = _check_rows(file, most, decoded)
    needed = 0
    for i in range(metadata.num_columns):
        chunks = [group.column(i) for group in groups]
        declared = sum(chunk.num_values for chunk in chunks)
        if not 0 <= declared <= most:
            raise ValueError(f"it declares {declared:,} numbers; the limit is {most:,}")
        kind = file.schema.column(i).physical_type
        if kind == TEXT:  # texts take no more than their pages, and a number in each row
            needed += sum(4 * chunk.num_values + chunk.total_uncompressed_size for chunk in chunks)
        else:
            needed += declared * (file.schema.column(i).length if kind == FIXED_TEXT else WIDTHS[kind])
    if not 0 <= needed <= decoded:
        raise ValueError(_too_large(needed, decoded))
    return needed


def _check_rows(file: pq.ParquetFile, most: int, decoded: int | None = None) -> list[pq.RowGroupMetaData]:
    """The groups of rows of a table, once its rows and, if that is limited, its pages are those that it declares.

    Raises:
        ValueError, pyarrow.ArrowException: it declares more than it may, or contradicts itself.
    """
    metadata = file.metadata
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    if sum(group.num_rows for group in groups) != metadata.num_rows or metadata.num_rows > most:
        raise ValueError(f"it declares {metadata.num_rows:,} rows; the limit is {most:,}")
    unpacked = sum(group.total_byte_size for group in groups)
    if decoded is not None and not 0 <= unpacked <= decoded:
        raise ValueError(_too_large(unpacked, decoded))
    # Decodes block by block and keeps nothing. This comes first, since pyarrow 26 aborts the process if it is asked
    # for the metadata of a column chunk that makes no sense.
    if file.scan_contents() != metadata.num_rows:
        raise ValueError("its columns do not hold as many rows as it declares")
    return groups


def _with_texts(schema: pa.Schema, texts: Sequence[str]) -> pa.Schema:
    """The schema as it was before dictionaries of texts were asked for."""
    for name in texts:
        i = schema.get_field_index(name)
        if i >= 0 and pa.types.is_dictionary(schema.field(i).type):
            schema = schema.set(i, pa.field(name, schema.field(i).type.value_type))
    return schema


def _too_large(needed: int, limit: int) -> str:
    return f"it unfolds to {needed / MEBIBYTE:,.0f} MiB; the limit is {limit / MEBIBYTE:,.0f}"
