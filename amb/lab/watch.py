"""Recording responses as their files arrive, and writing the next block when one is complete."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from amb.errors import AmbError, UnreadableError
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
    """A file that was not recorded, and why.

    It is read again when it changes, or at every look if the system did not hand it over (`unread`).
    """

    file: Path
    reason: str
    unread: bool = False


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
    """
    make_folder(inbox)
    seen: dict[Path, Stamp] = {}
    done: dict[Path, Stamp] = {}
    unread: dict[Path, Stamp] = {}
    block = lab.next_block()
    while block is not None:
        yield Wrote(block)
        while lab.history.missing(block.number):
            for file, stamp in _files(inbox).items():
                if done.get(file) == stamp:
                    continue
                if seen.get(file) == stamp:
                    outcome = _tell(lab, file)
                    if not isinstance(outcome, Refused) or not outcome.unread:
                        done[file] = stamp
                    elif unread.get(file) == stamp:
                        continue  # that was said
                    else:
                        unread[file] = stamp
                    yield outcome
                seen[file] = stamp
            if lab.history.missing(block.number):
                sleep(every)
                lab.refresh()  # `amb lab tell` or `amb lab next --close` of another terminal
        block = lab.next_block()
    yield Finished()


def _tell(lab: Laboratory, file: Path) -> Told | Refused:
    try:
        return Told(file, lab.tell(read_responses(file, lab.experiment), source=file.name))
    except AmbError as error:
        return Refused(file, str(error), unread=isinstance(error, UnreadableError))


def _files(folder: Path) -> dict[Path, Stamp]:
    """Files with responses and what tells whether they changed, by name."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            try:
                status = path.stat()
            except OSError:  # it was moved away meanwhile
                continue
            found[path] = (status.st_size, status.st_mtime_ns)
    return found
