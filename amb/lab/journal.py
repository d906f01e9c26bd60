"""The journal of an experiment: everything that happened, one event a line, on the disk before anybody acts on it.

``journal.jsonl`` begins with the experiment's settings and continues with blocks, responses, closings and
corrections. A line is ::

    {"crc": "9f6c02ab", "event": {"type": "block", ...}}

`crc` is the CRC-32 of all events up to this one as they are written, so that a line that was torn, changed, left out or
moved is noticed. `append` writes one line and returns when the disk has it. A process that dies while it writes leaves
a last line without its end, and a power failure one with parts that were never written, which read as zeros: the next
`append` cuts such a line off. So an event is recorded whole or not at all, and what belongs together is one event. Any
other damage is refused, since later events depend on what is lost. A line that is found whole may not be on
the disk yet, since its process was killed before: `Laboratory.settle` waits for the disk before anybody acts on it.

The journals of studies (`amb.study.journal`) hold candidates and values only, in binary frames, and may be measured
again; an experiment cannot, and people must be able to read it without this package.
"""

import os
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from amb.errors import LabError
from amb.lab.experiment import Experiment
from amb.study.durable import flush_folder, part_from_links
from amb.study.untrusted import MEBIBYTE, decode_json, read_bytes

FILE = "journal.jsonl"
LARGEST = 4096 * MEBIBYTE
FORMAT = 1


class Start(Struct, frozen=True, tag="start", tag_field="type"):
    """The first event.

    Attributes:
        experiment: the settings at the start.
        generator: the generator's fingerprint.
        solvers: version of the solver of each search.
        budgets: candidates that each search's solver plans with.
        time: UTC.
        grid: the fingerprint of the generator's grid; "" in a journal that was begun before 0.2.
    """

    experiment: Experiment
    generator: str
    solvers: dict[str, str]
    budgets: dict[str, int]
    time: str
    format: int = FORMAT
    grid: str = ""


class Learned(Struct, frozen=True, array_like=True):
    """A stimulus of another search, and the mean response to it of the neurons of the search that learns it."""

    stimulus: str
    value: float


class Ask(Struct, frozen=True):
    """What one solver did at the beginning of a block.

    Attributes:
        search: whose solver.
        told: values of the candidates that it had asked for last, in order, None for failed queries; empty at first.
        limit: how many candidates it was asked for at most.
        candidates: what it asked for.
        learned: what it was told, before it was asked, of the stimuli of other searches.
    """

    search: str
    told: tuple[float | None, ...]
    limit: int
    candidates: tuple[tuple[int, ...], ...]
    learned: tuple[Learned, ...] = ()


class Presentation(Struct, frozen=True, array_like=True):
    """One trial of a block: which stimulus, and as what: candidate, best, reference or blank."""

    stimulus: str
    kind: str


class BlockPlanned(Struct, frozen=True, tag="block", tag_field="type"):
    """A block that is to be presented.

    Attributes:
        block: its number, from 1.
        first: the number of its first trial, from 1.
        asks: the searches that went on with new candidates.
        order: the presentations.
        references: a hash of every reference image in it, by its stimulus' name.
        time: UTC.
        leaders: the best stimulus so far of each search, which it presents as such.
    """

    block: int
    first: int
    asks: tuple[Ask, ...]
    order: tuple[Presentation, ...]
    references: dict[str, str]
    time: str
    leaders: dict[str, str] = {}


class Responses(Struct, frozen=True, tag="responses", tag_field="type"):
    """Responses that arrived together.

    Attributes:
        source: the file's name, or where else they came from.
        trials: numbers of the trials.
        neurons: the recorded neuron of each row.
        values: the response of each row; None if the trial was rejected.
        time: UTC.
    """

    source: str
    trials: tuple[int, ...]
    neurons: tuple[str, ...]
    values: tuple[float | None, ...]
    time: str


class Closed(Struct, frozen=True, tag="closed", tag_field="type"):
    """The trials of a block without a response are lost; the solvers go on without them."""

    block: int
    time: str


class Corrected(Struct, frozen=True, tag="corrected", tag_field="type"):
    """Responses of one block that were recorded wrong; the events that hold them stay as they are.

    Attributes:
        block: whose.
        reason: what was wrong, in the user's words.
        source, trials, neurons, values: as in `Responses`; these count from now on.
        before: the value of each row until now; None if it was rejected or lost.
        restarted: the searches whose solvers were told wrong values, and the first block with stimuli that they
            proposed by them. Such a solver is brought back to where it was before it was told, and goes on from there.
        time: UTC.
        added: responses of trials that had none yet, which arrived together with these.
    """

    block: int
    reason: str
    source: str
    trials: tuple[int, ...]
    neurons: tuple[str, ...]
    values: tuple[float | None, ...]
    before: tuple[float | None, ...]
    restarted: dict[str, int]
    time: str
    added: Responses | None = None


Event = Start | BlockPlanned | Responses | Closed | Corrected


class _Line(Struct):
    crc: str
    event: msgspec.Raw


@dataclass(frozen=True)
class JournalContent:
    """Events of a journal.

    Attributes:
        events: in order; empty if there is no journal yet.
        size: bytes up to the end of the last whole line.
        checksums: of each event and all before it.
    """

    events: tuple[Event, ...] = ()
    size: int = 0
    checksums: tuple[int, ...] = ()

    @property
    def crc(self) -> int:
        """The checksum of all events."""
        return self.checksums[-1] if self.checksums else 0

    def blocks(self) -> list[str]:
        """The checksum of each block's line, which no journal of another past has."""
        pairs = zip(self.events, self.checksums, strict=True)
        return [f"{crc:08x}" for event, crc in pairs if isinstance(event, BlockPlanned)]


def read_journal(folder: Path, known: JournalContent | None = None) -> JournalContent:
    """The journal of an experiment; a torn last line is left out.

    Args:
        folder: the experiment.
        known: what was read before; only what comes after it is read and checked.

    Raises:
        LabError: the journal is damaged or cannot be read.
    """
    path = folder / FILE
    try:
        content = read_bytes(path, LARGEST)
    except FileNotFoundError:
        return JournalContent()
    except OSError as cause:
        raise LabError(f"cannot read {path}: {cause.strerror or cause}") from cause
    start = known if known and known.size <= len(content) else JournalContent()
    events, checksums, size, crc = list(start.events), list(start.checksums), start.size, start.crc
    while (end := content.find(b"\n", size) + 1) > 0:
        try:
            line = decode_json(content[size:end], _Line)
            crc = zlib.crc32(bytes(line.event), crc)
            if line.crc != f"{crc:08x}":
                raise ValueError("the checksum is wrong")
            events.append(decode_json(line.event, Event))
            checksums.append(crc)
        except (ValueError, LabError) as cause:
            if end == len(content) and b"\0" in content[size:]:
                break
            raise LabError(
                f"line {len(events) + 1} of {path} is damaged ({cause}); restore the file from a backup: "
                "responses to all later trials depend on it"
            ) from cause
        size = end
    if events and not isinstance(events[0], Start):
        raise LabError(f"{path} does not begin with the start of an experiment; restore the file from a backup")
    return JournalContent(tuple(events), size, tuple(checksums))


def append(folder: Path, content: JournalContent, *events: Event) -> JournalContent:
    """Add events, in one write; when this returns, the disk has them.

    Args:
        folder: the experiment, whose lock the caller holds.
        content: the journal as it is.
        events: what happened.

    Returns:
        The journal as it is now.

    Raises:
        LabError: the file cannot be written, or is no longer as it was read; then the events do not count.
    """
    path, lines, checksums = folder / FILE, b"", list(content.checksums)
    for event in events:
        encoded = msgspec.json.encode(event)
        checksums.append(zlib.crc32(encoded, checksums[-1] if checksums else content.crc))
        lines += msgspec.json.encode(_Line(f"{checksums[-1]:08x}", msgspec.Raw(encoded))) + b"\n"
    descriptor = -1
    try:
        part_from_links(path)
        # A journal that has lines is not begun again, though it be away for a moment.
        create = 0 if content.size else os.O_CREAT
        descriptor = os.open(path, os.O_RDWR | create | getattr(os, "O_CLOEXEC", 0), 0o666)
        _refuse_another_end(descriptor, content.size, path)
        os.ftruncate(descriptor, content.size)  # a torn line of a process that died
        try:
            os.lseek(descriptor, content.size, os.SEEK_SET)
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, content.size)
            raise
        if not content.size:
            flush_folder(folder)
    except OSError as cause:
        raise LabError(
            f"cannot write {path}: {cause.strerror or cause}; nothing was recorded: repeat the command"
        ) from cause
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    return JournalContent((*content.events, *events), content.size + len(lines), tuple(checksums))


def _refuse_another_end(descriptor: int, size: int, path: Path) -> None:
    """Refuse to cut off, or to write after, what another process has made of the journal since it was read.

    A share that comes back after the journal was not found, or one without locks, has lines that nobody may cut off.

    Raises:
        LabError: the file is shorter than `size` bytes, or what follows them is more than a torn line.
    """
    found = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, found - size, size) if hasattr(os, "pread") and found > size else b""
    if found < size or (b"\n" in tail and b"\0" not in tail):
        raise LabError(f"{path} was changed since it was read; nothing was recorded: repeat the command")
