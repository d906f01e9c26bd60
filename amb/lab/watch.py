"""Recording responses as their files arrive, and writing the next block when one is complete."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from amb.errors import AmbError, LabError, UnreadableError
from amb.lab.laboratory import Block, Laboratory, Receipt
from amb.lab.response_files import SUFFIXES, read_responses
from amb.study.durable import make_folder

Stamp = tuple[int, int]


@dataclass(frozen=True)
class Told:
    """A file that was recorded."""

    file: Path
    receipt: Receipt


@dataclass(frozen=True)
class Refused:
    """A file that was not recorded, or the folder if it cannot be read, and why.

    It is read again when it changes, or at every look if the fault is not in it (`elsewhere`): the system did not hand
    it over, the journal's disk is full, or the experiment is not yet where the file is.
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
    is not mistaken for a partial block. Files that were recorded before the process started are read again, which
    changes nothing.

    Args:
        lab: the experiment.
        inbox: the folder in which responses arrive; made if missing.
        every: seconds between two looks.
        sleep: how to wait.

    Raises:
        LabError: the inbox cannot be made, or the experiment cannot go on.
    """
    try:
        make_folder(inbox)
    except OSError as cause:
        raise LabError(
            f"cannot make the folder {inbox}: {cause.strerror or cause}; choose another with --inbox"
        ) from cause
    seen: dict[Path, Stamp] = {}
    done: dict[Path, Stamp] = {}
    said: dict[Path, str] = {}
    block = lab.next_block()
    while block is not None:
        yield Wrote(block)
        while lab.history.missing(block.number):
            files = _files(inbox)
            if isinstance(files, Refused):  # a share that is away for a while
                if said.get(inbox) != files.reason:
                    said[inbox] = files.reason
                    yield files
                files = {}
            else:
                said.pop(inbox, None)
            for file, stamp in files.items():
                if done.get(file) == stamp:
                    continue
                if seen.get(file) == stamp:
                    outcome = _tell(lab, file)
                    if isinstance(outcome, Told) or not outcome.elsewhere:
                        done[file] = stamp
                        said.pop(file, None)
                    elif said.get(file) == outcome.reason:
                        continue
                    else:
                        said[file] = outcome.reason
                    yield outcome
                seen[file] = stamp
            if lab.history.missing(block.number):
                sleep(every)
                lab.refresh()  # `amb lab tell` or `amb lab next --close` of another terminal
        block = lab.next_block()
    yield Finished()


def _tell(lab: Laboratory, file: Path) -> Told | Refused:
    try:
        rows = read_responses(file, lab.experiment)
    except AmbError as error:
        return Refused(file, str(error), elsewhere=isinstance(error, UnreadableError))
    try:
        return Told(file, lab.tell(rows, source=file.name))
    except AmbError as error:
        return Refused(file, str(error), elsewhere=True)


def _files(folder: Path) -> dict[Path, Stamp] | Refused:
    """Files with responses and what tells whether they changed, by name."""
    found = {}
    try:
        paths = sorted(folder.iterdir())
    except OSError as cause:
        return Refused(folder, f"cannot read the folder {folder}: {cause.strerror or cause}", elsewhere=True)
    for path in paths:
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            try:
                status = path.stat()
            except OSError:  # it was moved away meanwhile
                continue
            found[path] = (status.st_size, status.st_mtime_ns)
    return found
