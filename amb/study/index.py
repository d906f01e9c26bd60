"""The index of a study's runs: how each ended, so that a start with nothing to do opens no run file.

It is derived from the run files and never decides against one. An entry counts only while its file has the same size,
times and inode as when the file was read to its end; without the index, or with a damaged or copied one, the files are
read again. Processes that write it at the same time lose each other's entries, and no answer.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from amb.study.durable import write_whole
from amb.study.runs import RunRecord, Status
from amb.study.untrusted import MEBIBYTE, read_bytes

NAME = ".index.json"
FORMAT = 1
LARGEST = 256 * MEBIBYTE
# A file that was changed less than this long ago may change again without a difference in its times.
SETTLED_SECONDS = 2.0


class Identity(Struct, frozen=True, array_like=True):
    """What changes when a file is replaced or written to."""

    size: int
    modified: int
    changed: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> "Identity":
        """The identity of the file at `path`, or of the link that is there.

        Raises:
            OSError: there is none.
        """
        status = os.lstat(path)
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    @property
    def settled(self) -> bool:
        """Whether every later change of the file will show in its times."""
        return time.time() - max(self.changed, self.modified) / 1e9 > SETTLED_SECONDS


class Entry(Struct, frozen=True, array_like=True):
    """How a run ended: see `RunRecord`."""

    file: Identity
    status: Status
    failed: bool
    budget: int
    timing: bool


class _Content(Struct, frozen=True):
    index: int
    runs: dict[str, Entry]


class Index:
    """The entries of the runs in a study's folder, by run id."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._entries = _read(self._path)
        self._grown = False

    def find(self, run_file: Path) -> Entry | None:
        """The entry of a run file that has not changed since it was read; None if there is none."""
        entry = self._entries.get(run_file.stem)
        if entry is None:
            return None
        try:
            return entry if Identity.of(run_file) == entry.file else None
        except OSError:
            return None

    def add(self, run_file: Path, file: Identity, record: RunRecord) -> Entry:
        """Note what a run file holds that was read to its end; `file` is its identity before it was read."""
        entry = Entry(file, record.status, record.failed, record.plan.budget, record.timing)
        if file.settled:
            self._entries[run_file.stem] = entry
            self._grown = True
        return entry

    def save(self) -> None:
        """Write the index if it has grown; one that cannot be written is not an error."""
        if self._grown:
            with suppress(OSError):
                write_whole(self._path, msgspec.json.encode(_Content(FORMAT, self._entries)), error=None)
                self._grown = False


def _read(path: Path) -> dict[str, Entry]:
    try:
        content = msgspec.json.decode(read_bytes(path, LARGEST), type=_Content)
    except (OSError, ValueError, RecursionError):
        return {}
    return content.runs if content.index == FORMAT else {}
