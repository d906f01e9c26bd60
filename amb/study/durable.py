"""Writing files so that a reader never sees half of one."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from amb.errors import StudyError


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary neighbour of `path`, see it on the disk, then rename it into place.

    Raises:
        StudyError: the folder cannot be written or the disk is full; nothing that was there is touched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)  # it may be a link
        write(temporary)
        _sync(temporary)
        os.replace(temporary, path)
    except OSError as cause:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StudyError(f"cannot write {path}: {cause.strerror or cause}") from cause


def _sync(path: Path) -> None:
    """Wait until the disk has the file, so that a power failure leaves the old one or the new, never an empty one."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
