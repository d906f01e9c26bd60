"""Writing files so that a reader never sees half of one."""

import os
from collections.abc import Callable
from pathlib import Path

from amb.errors import StudyError


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary neighbour of `path`, then rename it into place.

    Raises:
        StudyError: the folder cannot be written or the disk is full; nothing that was there is touched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    except OSError as cause:
        temporary.unlink(missing_ok=True)
        raise StudyError(f"cannot write {path}: {cause.strerror or cause}") from cause
