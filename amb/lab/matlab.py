"""MATLAB files of responses: matrices (sparse ones too), texts and cells of version 5 to 7.2, checked before decoding.

Scipy's reader crashes the process on some damaged files, so it reads only those of version 4, for which it has no
compiled code. Format: MathWorks, MAT-File Format, section 1 (level 5).
"""

import io
import math
import struct
import zlib
from collections import Counter
from typing import Any

import numpy as np

from amb.foreign import in_a_line
from amb.study.untrusted import CELL_BYTES, MEBIBYTE

HEADER = 128
ORDERS = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}
"""Version 5 and the order of bytes, as the header ends."""
HDF5 = b"\x89HDF"
_ADVICE = "save it with save(file, '-v7', ...)"
COMPRESSED, MATRIX = 15, 14
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
CELL, TEXT, SPARSE, FIRST_NUMBER, LAST_NUMBER, OPAQUE, COMPLEX = 1, 4, 5, 6, 15, 17, 0x800
DEEPEST = 16
"""Cells within cells; a list of spikes for each trial needs two levels."""
LARGEST_SPARSE = 1 << 20
"""Cells of a sparse matrix that is read: a workspace may hold others of any shape, which are no responses."""
UNREAD = "(a-structure-or-object)"
"""What a cell with anything but numbers, texts and cells is read as: no number, and not empty."""


def read_mat(content: bytes, *, decoded: int) -> dict[str, list[Any]]:
    """The variables of a file as columns, see `amb.lab.response_files`; empty for structures and other objects.

    Args:
        content: of the file.
        decoded: bytes that its numbers may take in memory.

    Raises:
        ValueError: it is not such a file, is damaged, or declares more than it may.
    """
    try:
        return {name: _column(value) for name, value in _variables(content, decoded).items()}
    except _TooLarge:
        raise
    except _NoMatFile as cause:
        raise ValueError(f"{cause}; {_ADVICE}") from cause
    except Exception as cause:
        why = str(cause) if type(cause) is ValueError else in_a_line(cause)
        raise ValueError(f"it is damaged or incomplete ({why}); copy it again, or {_ADVICE}") from cause


def _variables(content: bytes, decoded: int) -> dict[str, Any]:
    if not content:
        raise _NoMatFile("it is empty")
    if content.startswith(HDF5) or content[HEADER - 4 : HEADER] in (b"\x00\x02IM", b"\x02\x00MI"):
        raise _NoMatFile("it is of version 7.3, which is HDF5")
    if 0 in content[:4]:  # version 4, whose numbers are stored as they are
        from scipy.io import loadmat, whosmat
        from scipy.sparse import issparse

        try:
            found = {name: v for name, v in loadmat(io.BytesIO(content)).items() if not name.startswith("__")}
        except Exception as cause:
            raise ValueError("read as version 4, a variable is incomplete") from cause
        names = [name for name, *_ in whosmat(io.BytesIO(content))]
        if repeated := [name for name, times in Counter(names).items() if times > 1]:
            raise ValueError(_TWICE.format(repeated[0]))
        if sum(_bytes(getattr(value, "shape", ())) for value in found.values()) > decoded:
            raise _TooLarge
        return {name: value.toarray() if issparse(value) else value for name, value in found.items()}
    order = ORDERS.get(content[HEADER - 4 : HEADER])
    if order is None:
        if content.startswith(b"MATLAB 5.0"):
            raise ValueError(f"its header of {HEADER} bytes is incomplete or wrong")
        raise _NoMatFile(f"it is not a MATLAB file: it begins with {content[:16]!r}")
    variables, at, left = {}, HEADER, decoded
    while at + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, at)
        element = content[at : at + 8 + size]
        if kind == COMPRESSED:
            element = _inflated(element[8:], left)
        reader = _Reader(element, order, left)
        name, value, _ = reader.matrix(0, len(element), 0)
        if name in variables:
            raise ValueError(_TWICE.format(name))
        if name:  # what belongs to opaque objects has none
            variables[name] = value
        left, at = reader.left, at + 8 + size
    if at != len(content):
        raise ValueError("a variable is incomplete")
    return variables


_TWICE = "it has two variables of one name, {}"


class _NoMatFile(ValueError):
    """The file is whole, but of another kind."""


class _TooLarge(ValueError):
    def __init__(self) -> None:
        super().__init__("it unfolds to more than is read at once; save the responses alone, in several files")


def _inflated(content: bytes, limit: int) -> bytes:
    """What a compressed element unfolds to; its size is counted first, and counting ends beyond the limit."""
    inflate, size, rest, place = zlib.decompressobj(), 0, b"", 0
    while not inflate.eof:
        if not rest:  # what is left over is copied each time, so it is little
            rest, place = content[place : place + MEBIBYTE], place + MEBIBYTE
        try:
            part = inflate.decompress(rest, MEBIBYTE)
        except zlib.error as cause:
            raise ValueError("a compressed variable is damaged") from cause
        if not part and not rest:
            raise ValueError("a variable is incomplete")
        size, rest = size + len(part), inflate.unconsumed_tail
        if size > limit:
            raise _TooLarge
    return zlib.decompress(content)


def _bytes(shape: tuple[int, ...]) -> int:
    """What a matrix takes as lists of Python, in which an empty row is a list, too."""
    return CELL_BYTES * math.prod(max(n, 1) for n in shape)


class _Reader:
    """Reads one variable; `left` is how many bytes may still be taken in memory."""

    def __init__(self, content: bytes, order: str, left: int) -> None:
        self._content, self._order, self.left = content, order, left - len(content)

    def _element(self, at: int, end: int) -> tuple[int, bytes, int]:
        """Kind of the element at a place, its data, and where the next one begins."""
        kind, size = struct.unpack_from(f"{self._order}II", self._content, at)
        start, following = at + 8, at + 8 + size + -size % 8
        if kind >> 16:  # both in one word, before up to four bytes of data
            kind, size, start, following = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        if start + size > end:
            raise ValueError("a variable is incomplete")
        return kind, self._content[start : start + size], following

    def matrix(self, at: int, end: int, depth: int) -> tuple[str, Any, int]:
        """Name and value of a variable or cell, None for one of another class, and where the next one begins."""
        if depth > DEEPEST:
            raise ValueError(f"cells are nested more than {DEEPEST} levels deep")
        kind, data, following = self._element(at, end)
        if kind != MATRIX:
            raise ValueError(f"an element of kind {kind} is in the place of a variable")
        start = at + 8
        end = start + len(data)
        if not data:  # an empty cell
            return "", np.zeros((0, 0)), following
        _, flags, place = self._element(start, end)
        flag = struct.unpack_from(f"{self._order}I", flags)[0]
        _, sizes, place = self._element(place, end)
        if flag & 0xFF == OPAQUE:
            return sizes.decode("latin-1"), None, following  # it has a name where others have a shape
        _, name, place = self._element(place, end)
        shape = struct.unpack(f"{self._order}{len(sizes) // 4}i", sizes)
        value = self._value(flag, shape, place, end, depth)
        return name.decode("latin-1"), value, following

    def _value(self, flag: int, shape: tuple[int, ...], place: int, end: int, depth: int) -> Any:
        kind = flag & 0xFF
        if kind == SPARSE:
            return self._sparse(flag, shape, place, end)
        if kind not in (CELL, TEXT) and not FIRST_NUMBER <= kind <= LAST_NUMBER:
            return None
        count = math.prod(shape)
        if len(shape) not in range(2, 33) or min(shape) < 0 or count > end - place:  # each takes a byte at least
            raise ValueError(f"a variable declares {list(shape)}, but holds {end - place:,} bytes")
        self.left -= _bytes(shape)
        if self.left < 0:
            raise _TooLarge
        if kind == CELL:
            cells = np.empty(count, dtype=object)
            for i in range(count):
                _, cells[i], place = self.matrix(place, end, depth + 1)
            return cells.reshape(shape, order="F")
        if kind == TEXT:
            stored, data, place = self._element(place, end)
            encoding = TEXTS[stored]
            if encoding in ("utf-16", "utf-32"):
                encoding += "-le" if self._order == "<" else "-be"
            text = data.decode(encoding, "replace")
            return [text[row :: shape[0]] for row in range(shape[0])]
        return self._numbers(flag, place, end).reshape(shape, order="F")

    def _sparse(self, flag: int, shape: tuple[int, ...], place: int, end: int) -> Any:
        """A matrix of which the file has all but zeros: their rows, where each column begins among them, and values."""
        if math.prod(shape) > LARGEST_SPARSE:
            return None
        self.left -= _bytes(shape)
        if self.left < 0:
            raise _TooLarge
        _, rows, place = self._element(place, end)
        _, starts, place = self._element(place, end)
        per_column = np.diff(np.frombuffer(starts, f"{self._order}i4"))
        columns = np.repeat(np.arange(shape[1]), per_column)
        matrix = np.zeros(shape, complex if flag & COMPLEX else float)
        indices = np.frombuffer(rows, f"{self._order}u4")[: len(columns)], columns
        matrix[indices] = self._numbers(flag, place, end)[: len(columns)]
        return matrix

    def _numbers(self, flag: int, place: int, end: int) -> Any:
        stored, data, place = self._element(place, end)
        numbers = np.frombuffer(data, np.dtype(self._order + NUMBERS[stored]))
        if flag & COMPLEX:
            stored, data, _ = self._element(place, end)
            numbers = numbers + 1j * np.frombuffer(data, np.dtype(self._order + NUMBERS[stored]))
        return numbers


def _column(value: Any) -> list[Any]:
    """A matrix as a column: a vector as a list of cells, a matrix as a list of rows.

    Cells of spike times become lists of numbers, cells of text become text.
    """
    if not isinstance(value, np.ndarray):
        return value if isinstance(value, list) else []  # a structure
    if value.dtype.kind == "U":  # of version 4
        return [str(text) for text in value.ravel()]
    rows = np.atleast_2d(value)
    cells: list[Any] = [[_cell(cell) for cell in row] for row in rows] if value.dtype == object else rows.tolist()
    if value.ndim == 2 and 1 in value.shape:
        return [cell for row in cells for cell in row]
    return cells


def _cell(cell: Any) -> Any:
    if isinstance(cell, np.ndarray):
        return cell.ravel().tolist() if cell.dtype != object else [_cell(inner) for inner in cell.ravel(order="F")]
    if isinstance(cell, list):
        return cell[0] if cell else ""
    return UNREAD
