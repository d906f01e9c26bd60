"""Claims: several processes may work on one study, but each run belongs to one of them at a time."""

import errno
import math
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from amb.errors import StudyError
from amb.held_file import which
from amb.study.untrusted import plain

try:
    import fcntl
except ImportError:  # Windows, where nothing keeps two processes on one study apart
    fcntl = None  # type: ignore[assignment]

PATIENCE = 2.0
"""Seconds that a process waits for another one without a word."""

_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # a pipe of a lock's name would never open
IN_ITS_PLACE = "a folder, where amb must make a file; move it away"


class Claim:
    """A lock on a file, which the system releases when the process dies, however it dies.

    Processes that it forks let go of it: a helper of a solver may outlive a bench that is killed.

    Attributes:
        certain: whether it keeps other processes out; some systems and file systems have no locks.
    """

    _held: ClassVar[set["Claim"]] = set()
    _watches_forks: ClassVar[bool] = False

    def __init__(self, path: Path | None, descriptor: int | None, *, certain: bool = True) -> None:
        self._path = path
        self._descriptor = descriptor
        self._which = None if descriptor is None else which(descriptor)
        self.certain = certain
        if descriptor is not None:
            Claim._held.add(self)
            if not Claim._watches_forks and hasattr(os, "register_at_fork"):
                Claim._watches_forks = True
                os.register_at_fork(after_in_child=Claim._let_go)

    def release(self) -> None:
        """Give the claim up and remove its own file, if it has one; idempotent."""
        if self._descriptor is not None:
            with suppress(OSError):
                if self._path is not None:
                    self._path.unlink(missing_ok=True)
            self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            with suppress(OSError):  # a plug-in may have closed it, and have opened a file of its own
                if which(self._descriptor) == self._which:
                    os.close(self._descriptor)
        self._descriptor = None
        Claim._held.discard(self)

    @staticmethod
    def _let_go() -> None:
        """In a forked process: the lock stays with the process that it was forked from."""
        for claim in list(Claim._held):
            claim._close()

    def leave(self) -> None:
        """Give the claim up, but leave its file, which has another name by now."""
        self._path = None
        self.release()

    def __enter__(self) -> "Claim":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def claim(path: Path, *, wait: bool = False, limit: float = math.inf) -> Claim | None:
    """Claim the run whose lock file is `path`; None if another process has it.

    Args:
        path: the lock's own file, made and removed here.
        wait: wait until the other process releases it.
        limit: seconds to wait at most.

    Raises:
        StudyError: the folder cannot be written.
    """
    try:
        return hold(path, wait=wait, limit=limit)
    except IsADirectoryError as cause:
        raise StudyError(str(cause.strerror)) from cause
    except OSError as cause:
        raise StudyError(
            f"cannot write to {path.parent}: {cause.strerror or cause} (its {path.name}); the folder must be writable"
        ) from cause


def hold(path: Path, *, wait: bool = False, limit: float = math.inf) -> Claim | None:
    """Make a file and lock it, so that `clear` leaves it alone; see `claim`.

    Raises:
        OSError: it cannot be made.
    """
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | _NO_LINK, 0o666)
        except IsADirectoryError as cause:
            raise in_its_place(path) from cause
        if fcntl is None:
            return Claim(path, descriptor, certain=False)
        try:
            _lock(descriptor, path, patience=PATIENCE if wait else None, limit=limit)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:  # a file system without locks
            return Claim(path, descriptor, certain=False)
        try:
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                return Claim(path, descriptor)
        except FileNotFoundError:  # its last owner has removed it between opening and locking
            pass
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def in_its_place(path: Path) -> IsADirectoryError:
    """The error where a folder has the name of a lock file or a temporary file."""
    return IsADirectoryError(errno.EISDIR, f"{path} is {IN_ITS_PLACE}")


def _lock(descriptor: int, path: Path, *, patience: float | None, limit: float) -> None:
    """Lock a file; say on stderr who is waited for if that takes more than `patience` seconds, which may be for ever.

    Raises:
        BlockingIOError: another process has the lock; `patience` is None and nobody waits for it, or `limit` is over.
        OSError: the file system has no locks.
    """
    began = time.monotonic()
    told = False
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if patience is None or time.monotonic() - began >= limit:
                raise
        if not told and time.monotonic() - began >= patience:
            told = True
            _say_who_is_waited_for(path)
            if math.isinf(limit):
                return fcntl.flock(descriptor, fcntl.LOCK_EX)
        time.sleep(0.01)


def _say_who_is_waited_for(path: Path) -> None:
    with suppress(OSError, ValueError, AttributeError):  # stderr may be gone
        print(
            plain(f"amb: waiting for another process, which holds {path}; if it was stopped (Ctrl-Z), let it go on"),
            file=sys.stderr,
            flush=True,
        )


def clear(path: Path) -> bool:
    """Delete a temporary file or a lock file, unless a living process holds it, or that cannot be found out.

    The file is locked while it is deleted: a process that opened it in the meantime notices that it is gone, so a run
    never gets two owners.

    Returns:
        Whether it was deleted.

    Raises:
        OSError: it cannot be deleted.
    """
    if fcntl is None:
        return False
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.stat(path).st_ino != os.fstat(descriptor).st_ino:
            return False
    except OSError:
        return False
    else:
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(descriptor)


def enter(folder: Path, *, alone: bool) -> Claim | None:
    """Share a folder with other processes, or use it `alone`; None if that is impossible now.

    The folder itself is locked, so no file is made. If it cannot be locked (Windows, some network file systems),
    nothing keeps processes apart.

    Raises:
        StudyError: the folder cannot be read.
    """
    if fcntl is None:
        return unlocked()
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
        return unlocked()
    return Claim(None, descriptor)


def is_abandoned(folder: Path) -> bool:
    """Whether no living process uses a folder (see `enter`); False if that cannot be found out."""
    return _is_free(folder, _NO_LINK, shared=False) is True


def unlocked() -> Claim:
    """A claim that locks nothing."""
    return Claim(None, None, certain=False)


def is_claimed(path: Path) -> bool:
    """Whether a living process holds the claim; writes nothing."""
    return path.exists() and _is_free(path, shared=True) is False


def _is_free(path: Path, flags: int = 0, *, shared: bool) -> bool | None:
    """Whether a lock on a file or folder could be had now; None if that cannot be found out. Nothing stays locked."""
    if fcntl is None:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | _NO_WAIT | flags)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return True
