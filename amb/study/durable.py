"""Durable files: a reader never sees half of one, and a power failure leaves the old file or the new one.

What another process wrote may be found before the disk has it: that process may have died between a write or a rename
and the flush after it. So whoever reports such a file as stored, or deletes what stands for it, first flushes the file
or its folder (`flush_file`, `flush_folder`). Whoever only reads, as a report does, flushes nothing.
"""

import ctypes
import errno
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from amb.errors import AmbError, StudyError
from amb.study.lock import Claim, fcntl, hold, in_its_place, unlocked

# Files on their way: a neighbour of the file that it will replace. Its writer holds a lock on it.

# What a file system that cannot flush a folder, or swap two, answers; and one that cannot be written.
_UNSUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS, errno.EROFS}
# Of linux/fcntl.h and linux/fs.h.
_HERE, _EXCHANGE = -100, 2


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
    write_together({path: content}, error=error, advice=advice)


def write_together(
    files: Mapping[Path, bytes | str | Callable[[Path], object]],
    *,
    error: type[AmbError] | None = StudyError,
    advice: str = "",
) -> None:
    """Replace files of which a reader needs all of one time: none is replaced before the disk has the content of all.

    So a full disk leaves all old files. A kill between two renames leaves old ones beside new ones.

    Args:
        files: what to write into each; renamed in this order. See `write_whole`.
        error: what to raise if one cannot be written; None for the `OSError` itself.
        advice: what the user can do about it, for the error's message.

    Raises:
        AmbError: `error`, if a folder cannot be written or the disk is full.
    """
    place = Path()
    try:
        with ExitStack() as ready:
            temporaries = {}
            for place, content in files.items():
                temporaries[place] = ready.enter_context(_written(place, content))
            for place, temporary in temporaries.items():
                os.replace(temporary, place)
            for folder in dict.fromkeys(place.parent for place in files):  # a disk that fails here parts none of them
                flush_folder(folder)
    except OSError as cause:
        if error is None:
            raise
        more = f"; {advice}" if advice else ""
        raise error(f"cannot write {place}: {cause.strerror or cause}{more}") from cause


def write_json(path: Path, content: object, *, error: type[AmbError] | None = StudyError, advice: str = "") -> None:
    """Replace a file by JSON text; see `write_whole`."""
    write_whole(path, json.dumps(content, indent=1) + "\n", error=error, advice=advice)


def part_from_links(path: Path) -> None:
    """Before a file is appended to: if it has other names, give this one a copy of its own.

    Other names are hard links, as in a snapshot made by `cp -al` or `rsync --link-dest`, or of a tool that keeps equal
    files once; what is written into one would be in all. Nothing happens to a file without any, or to none.

    Raises:
        OSError: the copy cannot be written; the file is as it was.
    """
    with suppress(FileNotFoundError):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
            write_whole(path, partial(_copy, path), error=None)


def make_folder(folder: Path) -> None:
    """Create a folder and those above it, and flush their names to the disk.

    Each is created once the disk has the name of the one above it. So of folders that exist, only the name of the
    lowest may not be on the disk, since a process died that created it: that name is flushed, too.

    Raises:
        OSError: it cannot be created.
    """
    lacking = [place for place in (folder, *folder.parents) if not place.exists()]
    lowest = lacking[-1].parent if lacking else folder
    flush_folder(lowest.parent)
    for place in reversed(lacking):
        place.mkdir(exist_ok=True)
        flush_folder(place.parent)
    folder.mkdir(exist_ok=True)  # refuses a file of this name


def rename(old: Path, new: Path) -> None:
    """Move a file within one file system and flush both folders.

    Raises:
        OSError: it cannot be moved.
    """
    os.replace(old, new)
    flush_folder(new.parent)
    if old.parent != new.parent:
        flush_folder(old.parent)


def exchange(one: Path, other: Path) -> bool:
    """Swap two files or folders in one step and flush the folder that they are in; False if the system cannot.

    Raises:
        OSError: they cannot be moved.
    """
    swap = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
    if swap is None:
        return False
    if swap(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) != 0:
        error = ctypes.get_errno()
        if error in _UNSUPPORTED:
            return False
        raise OSError(error, os.strerror(error), str(one), None, str(other))
    flush_folder(other.parent)
    return True


def held(temporary: Path) -> Claim:
    """Make a temporary file and hold it, so that no other process clears it away; released, it is gone.

    Raises:
        OSError: it cannot be made.
    """
    with suppress(FileNotFoundError):
        found = temporary.lstat()
        if stat.S_ISDIR(found.st_mode):
            raise in_its_place(temporary)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:  # a pipe would be waited for, a link written through
            temporary.unlink()
    # Windows cannot rename an open file.
    return (hold(temporary, wait=True) if fcntl is not None else None) or unlocked()


def flush_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder; does nothing if the system cannot (Windows, some networks).

    Raises:
        OSError: the disk failed, or the folder is gone.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    except OSError as cause:
        if cause.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _written(path: Path, content: bytes | str | Callable[[Path], object]) -> Iterator[Path]:
    """A temporary neighbour of a file with its new content, on the disk; gone if the block that renames it fails.

    Raises:
        OSError: it cannot be written.
    """
    if not path.name:
        raise OSError(errno.EISDIR, "it is a folder, not a file", str(path))
    with suppress(FileNotFoundError):
        # A device would be replaced, and so would a link to one, such as /dev/stdout.
        if not (stat.S_ISREG(mode := path.stat().st_mode) or stat.S_ISDIR(mode)):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    # One name for all processes: what a dead one left is overwritten, and a living one is waited for.
    temporary = path.with_name(f".{path.name}.tmp")
    claim = held(temporary)
    if not claim.certain:  # nothing would keep two processes from writing into one file
        claim.release()
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        claim = unlocked()
    try:
        if isinstance(content, str):
            temporary.write_bytes(_utf8(content, path))
        elif isinstance(content, bytes):
            temporary.write_bytes(content)
        else:
            content(temporary)
        flush_file(temporary)
        yield temporary
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    finally:
        claim.leave()  # another process may have a file of the temporary name by now


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with suppress(OSError):  # a file system without permissions
        shutil.copymode(source, target)


def _utf8(text: str, path: Path) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as cause:  # a terminal or a file's name that is not UTF-8
        part = cause.object[cause.start : cause.end]
        raise OSError(errno.EILSEQ, f"its text has characters that are not UTF-8: {part!r}", str(path)) from cause


def flush_file(path: Path) -> None:
    """Wait until the disk has a file's content; does nothing on a file system that cannot be written.

    Raises:
        OSError: the disk failed.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)  # Windows flushes only what may be written
    except OSError as cause:
        if cause.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as cause:
        if cause.errno != errno.EROFS:
            raise
    finally:
        os.close(descriptor)
