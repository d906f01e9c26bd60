"""Reading what third parties wrote: sizes are checked before anything is allocated, and nothing is executed.

Errors are `OSError` and `ValueError`; readers turn them into their own errors, which name the file and the fix.
"""

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

MEBIBYTE = 1 << 20


def check_file(path: Path, most: int) -> int:
    """The size of a regular file, for a reader that opens the file itself.

    Raises:
        OSError: it is a link, a pipe, a device or a folder, larger than `most` bytes, or cannot be examined.
    """
    status = path.lstat()
    return _check(status, most)


def read_bytes(path: Path, most: int, *, links: bool = False) -> bytes:
    """A regular file's content.

    Args:
        path: the file.
        most: bytes that it may have.
        links: whether it may be a symbolic link.

    Raises:
        OSError: it is not a regular file, is too large, or cannot be read.
    """
    # O_NONBLOCK: opening a pipe must not block.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | (0 if links else getattr(os, "O_NOFOLLOW", 0))
    try:
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except OSError as cause:
        if cause.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link") from cause
        raise
    with os.fdopen(descriptor, "rb") as file:
        size = _check(os.fstat(descriptor), most)
        return file.read(size + 1)[:size]


def parse_json(text: str | bytes) -> Any:
    """Plain JSON.

    Raises:
        ValueError: the text is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
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


def plain(text: object) -> str:
    """Text in which blanks replace the characters that could steer a terminal or reorder a line."""
    return "".join(c if c.isprintable() else " " for c in str(text))


def _check(status: os.stat_result, most: int) -> int:
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, "it is a symbolic link")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    if status.st_size > most:
        mebibytes = status.st_size / MEBIBYTE, most / MEBIBYTE
        raise OSError(errno.EFBIG, f"it has {mebibytes[0]:,.0f} MiB; the limit is {mebibytes[1]:,.0f}")
    return status.st_size
