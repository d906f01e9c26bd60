"""Recording responses as their files arrive, and writing the next block when one is complete."""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from amb.errors import AmbError, LabError, UnreadableError
from amb.lab.arrivals import Stamp, may_pass, record, stamp_of
from amb.lab.experiment import ResponseSettings
from amb.lab.laboratory import Block, Laboratory, Receipt
from amb.lab.response_files import SUFFIXES, read_file
from amb.study.durable import make_folder

QUIET = 5.0
"""Seconds for which a file must not change, if it would be wrong half written."""

PATIENCE = 60.0
"""Seconds for which the experiment may be wrong before watching ends: settings are saved while they are edited."""

T = TypeVar("T")


@dataclass(frozen=True)
class Told:
    """A file that was recorded; `whole` as in `amb.lab.response_files.Reading`."""

    file: Path
    receipt: Receipt
    whole: bool


@dataclass(frozen=True)
class Refused:
    """What cannot be recorded or read, and why: a file, the inbox, or the experiment; said once.

    A file is read again when it changes, or at every look if the fault is not in it (`elsewhere`): the system did not
    hand it over, the journal's disk is full, or the experiment is not yet where the file is.
    """

    file: Path
    reason: str
    elsewhere: bool = False


@dataclass(frozen=True)
class Wrote:
    """A block that waits for responses."""

    block: Block


@dataclass(frozen=True)
class Finished:
    """The budget is spent."""


def watch(
    lab: Laboratory, inbox: Path, *, every: float, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Told | Refused | Wrote | Finished]:
    """Follow a folder until the budget is spent.

    A file is read once its size and time have not changed between two looks, so that one that is still being written
    is not mistaken for a partial block; for `QUIET` seconds if half of it would be wrong, see `amb.lab.arrivals`. Files
    that were recorded before the process started are read again, which changes nothing.

    An experiment, an inbox or a file that cannot be read or written for a while, whether a disk is full, a share is
    away or a folder was renamed, is waited for.

    Args:
        lab: the experiment.
        inbox: the folder in which responses arrive; made if missing.
        every: seconds between two looks.
        sleep: how to wait.

    Raises:
        AmbError: the inbox cannot be made, the experiment cannot begin, or what is written in its files has been wrong
            for `PATIENCE` seconds.
    """
    try:
        make_folder(inbox)
    except OSError as cause:
        raise LabError(
            f"cannot make the folder {inbox}: {cause.strerror or cause}; choose another with --inbox"
        ) from cause
    said, waiting = _Said(), _Waiting(every, sleep)
    arriving = _Inbox(inbox, said, waiting)
    block = yield from _patiently(lab.next_block, lab, said, waiting, patience=0.0)
    while block is not None:
        yield Wrote(block)
        while lab.history.missing(block.number):
            yield from arriving.look(lab)
            if lab.history.missing(block.number):
                waiting.pause()
                # What `amb lab tell` or `amb lab next --close` of another terminal did.
                yield from _patiently(lab.refresh, lab, said, waiting)
        block = yield from _patiently(lab.next_block, lab, said, waiting)
    yield Finished()


class _Waiting:
    """The pauses between looks; `seconds` is how long they were, all together."""

    def __init__(self, every: float, sleep: Callable[[float], None]) -> None:
        self._every, self._sleep = every, sleep
        self.seconds = 0.0

    def pause(self) -> None:
        self._sleep(self._every)
        self.seconds += self._every


class _Said:
    """What was refused of each file or folder, and of which content; the same is not said twice in a row."""

    def __init__(self) -> None:
        self._last: dict[Path, tuple[str, Stamp | None]] = {}

    def once(self, refused: Refused, stamp: Stamp | None = None) -> Iterator[Refused]:
        if self._last.get(refused.file) != (refused.reason, stamp):
            self._last[refused.file] = refused.reason, stamp
            yield refused

    def over(self, place: Path) -> None:
        self._last.pop(place, None)


def _patiently(
    work: Callable[[], T], lab: Laboratory, said: _Said, waiting: _Waiting, *, patience: float = PATIENCE
) -> Generator[Refused, None, T]:
    """What `work` returns, once the experiment is as it must be.

    Raises:
        AmbError: it has been wrong for `patience` seconds.
    """
    last = waiting.seconds + patience
    while True:
        try:
            result = work()
        except AmbError as error:
            if not may_pass(error) and waiting.seconds >= last:
                raise
            reason = f"{error}; watching goes on once this is over"
            yield from said.once(Refused(lab.folder, reason, elsewhere=True))
            waiting.pause()
        else:
            said.over(lab.folder)
            return result


class _Inbox:
    """The files that arrive in a folder."""

    def __init__(self, folder: Path, said: _Said, waiting: _Waiting) -> None:
        self._folder, self._said, self._waiting = folder, said, waiting
        self._seen: dict[Path, tuple[Stamp, float]] = {}  # and when it was first so
        self._done: dict[Path, tuple[Stamp, ResponseSettings]] = {}  # recorded or wrong, as it was read
        self._unsure: dict[Path, Stamp] = {}  # waits for `QUIET`

    def look(self, lab: Laboratory) -> Iterator[Told | Refused]:
        """Record what has arrived."""
        try:
            stamps = {file: stamp for file in self._files() if (stamp := stamp_of(file)) is not None}
        except OSError as cause:  # a share that is away for a while
            reason = f"cannot read the folder {self._folder}: {cause.strerror or cause}"
            yield from self._said.once(Refused(self._folder, reason, elsewhere=True))
            return
        self._said.over(self._folder)
        for file, stamp in stamps.items():
            if self._done.get(file) == (stamp, lab.experiment.response):
                continue
            before, since = self._seen.get(file, (None, 0.0))
            if before != stamp:
                self._seen[file] = stamp, self._waiting.seconds
                continue
            quiet = self._waiting.seconds - since
            if quiet > 0 and (quiet >= QUIET or self._unsure.get(file) != stamp):
                yield from self._record(lab, file, stamp, quiet)

    def _files(self) -> list[Path]:
        """Files with responses, by name."""
        files = sorted(self._folder.iterdir())
        return [file for file in files if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")]

    def _record(self, lab: Laboratory, file: Path, stamp: Stamp, quiet: float) -> Iterator[Told | Refused]:
        elsewhere, settings = True, lab.experiment.response
        try:
            try:
                reading = read_file(file, lab.experiment)
            except AmbError as error:
                elsewhere = isinstance(error, UnreadableError)
                raise
            if stamp_of(file) != stamp:  # it goes on growing
                return
            if not reading.whole and quiet < QUIET:
                self._unsure[file] = stamp
                return
            outcome = Told(file, record(lab, reading.rows, file), reading.whole)
        except AmbError as error:
            yield from self._said.once(Refused(file, str(error), elsewhere), stamp)
            if not elsewhere:
                self._done[file] = stamp, settings
        else:
            self._done[file] = stamp, settings
            self._said.over(file)
            yield outcome
