"""Durable files: a reader never sees half of one, and a power failure leaves the old file or the new one."""

import errno
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from amb.errors import AmbError, StudyError

# What a file system that cannot flush a folder answers.
_UNSUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS}


def write_whole(
    path: Path,
    content: bytes | str | Callable[[Path], object],
    *,
    error: type[AmbError] | None = StudyError,
    advice: str = "",
) -> None:
    """Replace a file: write a temporary neighbour, flush it to the disk, rename it, flush the folder.

    A write that fails, whatever the reason, leaves the old file as it was and no temporary file.

    Args:
        path: the file; its folder exists.
        content: bytes, text (as UTF-8), or a function that writes the file it is given.
        error: what to raise if the file cannot be written; None for the `OSError` itself.
        advice: what the user can do about it, for the error's message.

    Raises:
        AmbError: `error`, if the folder cannot be written or the disk is full.
    """
    try:
        _write(path, content)
    except OSError as cause:
        if error is None:
            raise
        more = f"; {advice}" if advice else ""
        raise error(f"cannot write {path}: {cause.strerror or cause}{more}") from cause


def write_json(path: Path, content: object, *, error: type[AmbError] | None = StudyError, advice: str = "") -> None:
    """Replace a file by JSON text; see `write_whole`."""
    write_whole(path, json.dumps(content, indent=1) + "\n", error=error, advice=advice)


def rename(old: Path, new: Path) -> None:
    """Move a file within one file system and flush both folders.

    Raises:
        OSError: it cannot be moved.
    """
    os.replace(old, new)
    flush_folder(new.parent)
    if old.parent != new.parent:
        flush_folder(old.parent)


def flush_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder; does nothing if the system cannot (Windows, some networks).

    Raises:
        OSError: the disk failed.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    except OSError as cause:
        if cause.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


def _write(path: Path, content: bytes | str | Callable[[Path], object]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)  # it may be a link
        if isinstance(content, str):
            temporary.write_bytes(content.encode())
        elif isinstance(content, bytes):
            temporary.write_bytes(content)
        else:
            content(temporary)
        _flush_file(temporary)
        rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _flush_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)  # Windows flushes only what may be written
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
