"""Files of responses on their way into an experiment: whether one is whole, and whose fault it is if it is refused.

A file that is still being written may end between two rows. Where a row is a response, the rows that are there are
right, and the others come later. Two kinds of files are wrong then, although they can be read: rows of spikes, of which
the last trial lacks some, unless a row `end` says that nothing follows; and MATLAB files, which lack the variables that
are written last, such as `rejected`. These are recorded once they have not changed for some seconds.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from amb.errors import AmbError, LabError, UnreadableError
from amb.lab.laboratory import Correction, Laboratory, Receipt
from amb.lab.response_files import read_file
from amb.lab.responses import Row
from amb.study.untrusted import UnfitError

Stamp = tuple[int, int, int]
"""Size and times of a file; they are only compared, so it does no harm if a clock is wrong or set.

Not its inode, as in `amb.file_identity`: shares without lasting ones give a file another one while it rests.
"""

PAUSE = 1.0
"""Seconds in which a file that is told by hand must not change, if it would be wrong half written."""


def stamp_of(file: Path) -> Stamp | None:
    """What tells whether a file changed; None if that cannot be found out."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


class ByHand:
    """Files that are told by hand, one after the other.

    Args:
        files: all of them, as they are now.
        sleep: how to wait.
    """

    def __init__(self, files: Sequence[Path], *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._stamps = {file: stamp_of(file) for file in files}
        self._start, self._sleep = time.monotonic(), sleep

    def record(self, lab: Laboratory, file: Path) -> Receipt:
        """Record the responses in one of the files.

        Raises:
            AmbError: as `read`, or the experiment refuses it.
        """
        return record(lab, self.read(lab, file), file)

    def read(self, lab: Laboratory, file: Path) -> list[Row]:
        """The responses in one of the files.

        Raises:
            UnreadableError: the system does not hand the file over.
            LabError: the file is wrong or still being written.
        """
        reading = read_file(file, lab.experiment)
        if not reading.whole:
            self._sleep(max(0.0, PAUSE - (time.monotonic() - self._start)))
        if stamp_of(file) != self._stamps[file]:
            raise LabError(f"{file} is still being written: it changed while it was read; repeat the command later")
        return reading.rows


def record(lab: Laboratory, rows: Sequence[Row], file: Path) -> Receipt:
    """Record the responses of a file, which errors name.

    Raises:
        AmbError: as `Laboratory.tell`.
    """
    with _named(file):
        return lab.tell(rows, source=file.name)


def correct(lab: Laboratory, rows: Sequence[Row], file: Path, *, block: int, reason: str) -> Correction:
    """Correct responses by those of a file, which errors name.

    Raises:
        AmbError: as `Laboratory.correct`.
    """
    with _named(file):
        return lab.correct(rows, block=block, reason=reason, source=file.name)


@contextmanager
def _named(file: Path) -> Iterator[None]:
    try:
        yield
    except AmbError as error:
        raise type(error)(f"{file}: {error}") from error


def may_pass(error: AmbError) -> bool:
    """Whether the system is at fault, and not what is written somewhere: a disk, a share, permissions."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UnreadableError) or (isinstance(cause, OSError) and not isinstance(cause, UnfitError)):
            return True
        cause = cause.__cause__
    return False
