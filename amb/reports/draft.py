"""Replacing the folder of a study's report as a whole, so that readers never see half of one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from amb.study.durable import flush_file, flush_folder, make_folder

_ATTEMPTS = 100


@contextmanager
def draft_of(folder: Path) -> Iterator[Path]:
    """A copy of a folder, which takes the folder's place when the block ends without an error.

    If the process is killed, or the disk is full, the folder stays as it was. Of several processes that do this at
    once, the last one's folder remains. Copies that killed processes left are deleted.

    Raises:
        OSError: the folder, or the one above it, cannot be written.
    """
    make_folder(folder.parent)
    _delete_leftovers(folder)
    draft = _beside(folder, "draft")
    try:
        if folder.is_dir():
            shutil.copytree(folder, draft)
        else:
            draft.mkdir()
        yield draft
        _flush(draft)
        _replace(folder, draft)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _replace(folder: Path, draft: Path) -> None:
    old = _beside(folder, "old")
    for attempt in range(_ATTEMPTS):
        with suppress(FileNotFoundError):  # there was none, or another process has moved it away
            os.replace(folder, old)
        try:
            os.replace(draft, folder)
            break
        except OSError:  # another process has put its own there
            shutil.rmtree(old, ignore_errors=True)
            if attempt == _ATTEMPTS - 1:
                raise
    flush_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_dir():
            flush_folder(path)
        else:
            flush_file(path)
    flush_folder(folder)


def _beside(folder: Path, what: str) -> Path:
    return folder.with_name(f".{folder.name}-{what}-{os.getpid()}")


def _delete_leftovers(folder: Path) -> None:
    for what in ("draft", "old"):
        for path in folder.parent.glob(f".{folder.name}-{what}-*"):
            number = path.name.rpartition("-")[2]
            if not number.isdigit() or int(number) == os.getpid() or not _lives(int(number)):
                if what == "old" and not folder.exists():  # its process died between the two renames
                    os.replace(path, folder)
                    continue
                shutil.rmtree(path, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
