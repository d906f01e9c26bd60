"""MATLAB files of responses (version 7 and older): their sizes are checked before anything is decoded.

A compressed variable of a kilobyte can stand for a megabyte, and a cell array declares how many cells it has before the
first one comes. Format: MathWorks, MAT-File Format, section 1 (level 5).
"""

import io
import math
import struct
import zlib
from typing import Any

import numpy as np

from amb.study.untrusted import MEBIBYTE

HEADER = 128
COMPRESSED, MATRIX = 15, 14
CELL, STRUCT, OBJECT, SPARSE, FUNCTION = 1, 2, 3, 5, 16
DEEPEST = 16
"""Cells within cells; a response or a list of spikes needs two levels."""


def read_mat(content: bytes, *, decoded: int) -> dict[str, list[Any]]:
    """The variables of a file as columns, see `amb.lab.response_files`.

    Args:
        content: of the file.
        decoded: bytes that its numbers may take in memory.

    Raises:
        ValueError, TypeError, NotImplementedError: it is not such a file, or declares more than it may.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        check_sizes(content, decoded)
        variables = loadmat(io.BytesIO(content))
    except (MatReadError, MemoryError, OverflowError, struct.error, zlib.error) as cause:
        raise ValueError(str(cause) or type(cause).__name__) from cause
    return {name: _column(np.asarray(value)) for name, value in variables.items() if not name.startswith("__")}


def check_sizes(content: bytes, decoded: int) -> None:
    """Refuse a file that unfolds to more than so many bytes, or whose cells are not all in it.

    Raises:
        ValueError, struct.error, zlib.error: the file is damaged, too.
    """
    order = {b"IM": "<", b"MI": ">"}.get(content[HEADER - 2 : HEADER])
    if order is None or 0 in content[:4]:  # version 4, whose numbers are stored as they are, or no such file
        return
    at, left = HEADER, decoded
    while at + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, at)
        element = content[at : at + 8 + size]
        if kind == COMPRESSED:
            if _inflated(element[8:], left) > left:
                raise ValueError(_too_large(decoded))
            element = zlib.decompress(element[8:])
        left -= _Elements(element, order, decoded).needed()
        if left < 0:
            raise ValueError(_too_large(decoded))
        at += 8 + size


def _inflated(content: bytes, limit: int) -> int:
    """Bytes that a compressed element unfolds to; counting ends beyond the limit."""
    inflate, size, rest = zlib.decompressobj(), 0, content
    while size <= limit and not inflate.eof:
        part = inflate.decompress(rest, MEBIBYTE)
        if not part:
            raise ValueError("it is incomplete")
        size, rest = size + len(part), inflate.unconsumed_tail
    return size


class _Elements:
    """The elements of one variable, one after the other."""

    def __init__(self, content: bytes, order: str, decoded: int) -> None:
        self._content, self._order, self._decoded = content, order, decoded

    def needed(self) -> int:
        """Bytes that the variable takes in memory, at most."""
        return self._matrix(0, len(self._content), 0)[1]

    def _tag(self, at: int) -> tuple[int, int, int, int]:
        """Kind of an element, its size, where its data begin, and where the next one begins."""
        kind, size = struct.unpack_from(f"{self._order}II", self._content, at)
        if kind >> 16:  # both halves of one word, and up to four bytes of data
            return kind & 0xFFFF, kind >> 16, at + 4, at + 8
        return kind, size, at + 8, at + 8 + size + -size % 8

    def _matrix(self, at: int, end: int, depth: int) -> tuple[int, int]:
        """Where the next element begins, and bytes that this one takes in memory."""
        kind, size, start, following = self._tag(at)
        if start + size > end:
            raise ValueError("it is incomplete")
        if kind != MATRIX or not size:
            return following, 8 + size
        if depth > DEEPEST:
            raise ValueError(f"its cells are nested more than {DEEPEST} levels deep")
        _, _, flags, place = self._tag(start)
        array_class = struct.unpack_from(f"{self._order}I", self._content, flags)[0] & 0xFF
        if array_class == SPARSE or array_class > FUNCTION:  # of other layouts; never a response
            return following, 2 * size
        _, bytes_, dimensions, place = self._tag(place)
        shape = struct.unpack_from(f"{self._order}{bytes_ // 4}i", self._content, dimensions)
        if min(shape, default=0) < 0:
            raise ValueError(f"a variable declares {list(shape)}")
        count, stored = math.prod(shape), start + size - place
        if count > stored + 8:  # each number and each cell takes a byte at least
            raise ValueError(f"a variable declares {list(shape)}, but holds {stored:,} bytes")
        needed = 16 * count + size
        if array_class in (CELL, STRUCT, OBJECT):
            while place + 8 <= start + size:
                place, more = self._matrix(place, start + size, depth + 1)
                needed += more
                if needed > self._decoded:
                    raise ValueError(_too_large(self._decoded))
        return following, needed


def _too_large(limit: int) -> str:
    return f"it unfolds to more than {limit / MEBIBYTE:,.0f} MiB"


def _column(value: np.ndarray) -> list[Any]:
    """A matrix as a column: a vector as a list of cells, a matrix as a list of rows.

    Cells of spike times become lists of numbers, cells of text become text.
    """
    if value.dtype.kind == "U":
        return [str(text) for text in value.ravel()]
    if value.dtype == object:
        cells: Any = [[_cell(cell) for cell in row] for row in np.atleast_2d(value)]
    else:
        cells = np.atleast_2d(value).tolist()
    if value.ndim == 2 and 1 in value.shape:
        return [cell for row in cells for cell in row]
    return list(cells)


def _cell(cell: np.ndarray) -> Any:
    array = np.asarray(cell)
    return str(array.ravel()[0]) if array.dtype.kind == "U" and array.size else array.ravel().tolist()
