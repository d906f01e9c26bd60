"""Reading what third parties wrote: sizes are checked before anything is allocated, and nothing is executed.

Errors are `OSError` and `ValueError`; readers turn them into their own errors, which name the file and the fix.
"""

import errno
import io
import json
import math
import os
import stat
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from amb.errors import UnreadableError

if TYPE_CHECKING:
    import msgspec
    import numpy as np

MEBIBYTE = 1 << 20
CELL_BYTES = 64
"""What a number takes as an object of Python, with its place in a list."""

_FIXES = {
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs",
    errno.EACCES: "change its permissions or its owner",
    errno.EPERM: "change its permissions or its owner",
    errno.EIO: "the disk or the network fails: try again, or restore a copy",
}


class UnfitError(OSError):
    """What is at a path is no file that may be read: a link, a pipe, a device, a folder, or too large."""


def refuse_unreadable(path: Path, cause: BaseException, *, unless_missing: bool = False) -> None:
    """Tell a file that cannot be read from one whose content is wrong; readers call it before they say "damaged".

    Args:
        path: the file.
        cause: what was raised when it was read.
        unless_missing: the reader itself says what to do about a file that is not there.

    Raises:
        UnreadableError: the system did not hand the file over, which says nothing about its content.
    """
    if not isinstance(cause, OSError) or isinstance(cause, UnfitError) or cause.errno in (None, errno.EINVAL):
        return  # libraries raise errors without a number for content that they do not understand
    if unless_missing and isinstance(cause, FileNotFoundError):
        return
    fix = _FIXES.get(cause.errno, "try again")
    raise UnreadableError(f"cannot read {path}: {cause.strerror or cause}; {fix}") from cause


def check_file(path: Path, most: int) -> int:
    """The size of a regular file, for a reader that opens the file itself.

    Raises:
        UnfitError: it is a link, a pipe, a device or a folder, or larger than `most` bytes.
        OSError: it cannot be examined.
    """
    return _check(path.lstat(), most)


def open_file(path: Path, most: int, *, links: bool = False) -> BinaryIO:
    """Open a regular file to read it.

    Args:
        path: the file.
        most: bytes that it may have.
        links: whether it may be a symbolic link.

    Raises:
        UnfitError: it is not a regular file, or is too large.
        OSError: it cannot be opened.
    """
    # O_NONBLOCK: opening a pipe must not block.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | (0 if links else getattr(os, "O_NOFOLLOW", 0))
    try:
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
    except OSError as cause:
        if cause.errno == errno.ELOOP:
            raise UnfitError(errno.ELOOP, "it is a symbolic link") from cause
        if cause.errno == errno.ENXIO:
            raise UnfitError(errno.ENXIO, "it is not a regular file") from cause
        raise
    try:
        _check(os.fstat(descriptor), most)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(path: Path, most: int, *, links: bool = False) -> bytes:
    """A regular file's content.

    Args:
        path: the file.
        most: bytes that it may have.
        links: whether it may be a symbolic link.

    Raises:
        UnfitError: it is not a regular file, or is too large.
        OSError: it cannot be read.
    """
    with open_file(path, most, links=links) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(size + 1)
        if content is None:  # as for a file that is not there yet, on a network
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(path))
        return content[:size]


def names_in(folder: Path) -> list[str]:
    """What a folder contains, sorted by name; nothing if there is no such folder.

    `Path.glob` would take a folder that cannot be read for an empty one.

    Raises:
        UnreadableError: the folder cannot be read.
    """
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as cause:
        refuse_unreadable(folder, cause)
        raise


def parse_json(text: str | bytes) -> Any:
    """Plain JSON.

    Raises:
        ValueError: the text is not JSON, is nested too deeply, or has an object that names one entry twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_entries)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def decode_json(content: "bytes | msgspec.Raw", kind: Any) -> Any:
    """JSON as a type of msgspec's; of an entry that is named twice, the last counts.

    Raises:
        ValueError: it is no such JSON, or is nested too deeply.
    """
    import msgspec

    try:
        return msgspec.json.decode(content, type=kind)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def json_object(text: str | bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ValueError: the text is not a JSON object.
    """
    content = parse_json(text)
    if not isinstance(content, dict):
        raise ValueError("it is not a JSON object")
    return content


def _entries(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ValueError(f"it has the key {twice[:80]!r} more than once; expected one")
    return entries


def load_array(path: Path, most: int) -> "np.ndarray":
    """An array that `numpy.save` wrote; its declared size is compared with the file's before anything is allocated.

    Args:
        path: the file.
        most: bytes that it may have.

    Raises:
        OSError: it is not a regular file, is too large, or cannot be read.
        ValueError: it is not such a file, is incomplete, or holds objects.
    """
    return parse_array(read_bytes(path, most, links=True))


def parse_array(content: bytes) -> "np.ndarray":
    """The array of a file's content that `numpy.save` wrote; see `load_array`.

    Raises:
        ValueError: it is not such content, is incomplete, or holds objects.
    """
    from tokenize import TokenError

    import numpy as np

    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(stream)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, TokenError) as cause:
        raise ValueError("it was not written by numpy.save") from cause
    if kind.hasobject:
        raise ValueError("it holds Python objects")
    if math.prod(shape) * kind.itemsize != len(content) - stream.tell():
        raise ValueError(f"it declares {list(shape)} of {kind}, but holds {len(content) - stream.tell():,} bytes")
    return np.load(io.BytesIO(content), allow_pickle=False)


def parse_arrays(archive: BinaryIO) -> "dict[str, np.ndarray]":
    """The arrays of a file that `numpy.savez` wrote.

    Each is read to its end, where its checksum is compared: numpy reads as many bytes as the array's header states.

    Raises:
        Exception: it is no such file, or is damaged; zlib's and zipfile's own errors are among many kinds.
    """
    from zipfile import ZipFile

    with ZipFile(archive) as members:
        return {name.removesuffix(".npy"): parse_array(members.read(name)) for name in members.namelist()}


def plain(text: object) -> str:
    """Text in which blanks replace the characters that could steer a terminal or reorder a line."""
    return "".join(c if c.isprintable() else " " for c in str(text))


def _check(status: os.stat_result, most: int) -> int:
    if stat.S_ISLNK(status.st_mode):
        raise UnfitError(errno.ELOOP, "it is a symbolic link")
    if not stat.S_ISREG(status.st_mode):
        raise UnfitError(errno.EINVAL, "it is not a regular file")
    if status.st_size > most:
        mebibytes = status.st_size / MEBIBYTE, most / MEBIBYTE
        digits = 0 if mebibytes[0] >= mebibytes[1] + 1 else 3  # 1 MiB of 1 says nothing
        raise UnfitError(errno.EFBIG, f"it has {mebibytes[0]:,.{digits}f} MiB; the limit is {mebibytes[1]:,.0f}")
    return status.st_size
