"""Claims: several processes may work on one study, and each run belongs to one of them at a time."""

import os
from contextlib import suppress
from pathlib import Path

from amb.errors import StudyError

try:
    import fcntl
except ImportError:  # Windows: two processes on one study are not kept apart there
    fcntl = None  # type: ignore[assignment]


class Claim:
    """A lock on a file that the system takes back when the process dies, however it dies."""

    def __init__(self, path: Path | None, descriptor: int | None) -> None:
        self._path = path
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the claim up and remove its own file, if it has one; twice is harmless."""
        if self._descriptor is not None:
            with suppress(OSError):
                if self._path is not None:
                    self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "Claim":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def claim(path: Path, *, wait: bool = False) -> Claim | None:
    """Claim what `path` stands for, or None if another process has it.

    Args:
        path: the lock's own file, made and removed here.
        wait: until the other process is done.

    Raises:
        StudyError: the folder cannot be written.
    """
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError as cause:
            raise StudyError(f"cannot write {path}: {cause.strerror or cause}") from cause
        if fcntl is None:
            return Claim(path, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:  # a file system without locks
            return Claim(path, descriptor)
        # The file may have been removed by its last owner between opening and locking.
        with suppress(OSError):
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                return Claim(path, descriptor)
        os.close(descriptor)


def enter(folder: Path, *, alone: bool) -> Claim | None:
    """Be one of those who work on a folder, or the only one; None if that cannot be now.

    The folder itself is locked, so no file is made. Where that is impossible (Windows, some network file systems)
    nobody is kept out.
    """
    if fcntl is None:
        return nobody()
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as cause:
        raise StudyError(f"cannot read {folder}: {cause.strerror or cause}") from cause
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        return nobody()
    return Claim(None, descriptor)


def nobody() -> Claim:
    """A claim on nothing."""
    return Claim(None, None)


def is_claimed(path: Path) -> bool:
    """Whether a process that lives holds the claim; writes nothing."""
    if fcntl is None or not path.exists():
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False
