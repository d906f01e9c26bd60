"""The trace of a run under way, on disk before the solver receives it.

A journal is a line of JSON that says which run it belongs to, then one frame for each batch asked: ::

    {"journal": 2, "d": 128, "plan": {...}}\\n
    length  u32   bytes of the payload
    crc     u32   CRC-32 of the first line and of all payloads up to this one
    payload       queries u32, continues u8, seconds of solver, generator and target 3 x f64,
                  candidates u16[queries, d], values f64[queries], noise-free values f64[queries]

All numbers are little-endian. A process that dies in the middle of a write leaves a torn last frame; reading stops
before it, as before any frame whose checksum is wrong. Every frame is handed to the operating system at once: what a
solver received survives the death of the process, though not a power failure, since nothing waits for the disk.
"""

import json
import os
import struct
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np

from amb.activation import as_activations
from amb.contracts.space import DIMENSIONS, FloatArray, IntArray
from amb.errors import StudyError
from amb.held_file import HeldFile
from amb.study import journal_0_1
from amb.study.durable import held, rename
from amb.study.recording import MOST_CHARACTERS
from amb.study.runs import MOST_SECONDS, Known, RunPlan, Seconds, Trace, as_seconds
from amb.study.untrusted import MEBIBYTE, json_object, names_in, read_bytes, refuse_unreadable

SUFFIX = ".journal"
FORMAT = 2
# Bytes that are read at most of a journal, and of its first line, where a recording's ids and fingerprints have up to
# twelve bytes a character.
LARGEST = 1024 * MEBIBYTE
LONGEST_LINE = 24 * MOST_CHARACTERS + MEBIBYTE

_FRAME = struct.Struct("<II")
_NOTE = struct.Struct("<IB3d")
_LEVELS, _NUMBERS = np.dtype("<u2"), np.dtype("<f8")


class Journal:
    """Appends the batches of one run.

    Opening it writes what is `known` already (what an earlier process left) to a new file and renames it into place:
    a torn tail disappears, and the old journal stays until the new one is complete.

    Raises:
        StudyError: the journal cannot be written.
    """

    def __init__(self, path: Path, d: int, known: Known | None = None, *, plan: RunPlan | None = None) -> None:
        self.path = path
        self._rows = 0
        temporary = path.with_suffix(".new")
        try:
            claim = held(temporary)
        except OSError as cause:
            raise self._failed(cause) from cause
        with claim:
            self._begin(temporary, d, known, plan)

    def _begin(self, temporary: Path, d: int, known: Known | None, plan: RunPlan | None) -> None:
        try:
            self._file = HeldFile(temporary, new=True)
            header = {"journal": FORMAT, "d": d, "plan": None if plan is None else asdict(plan)}
            line = json.dumps(header).encode() + b"\n"
            self._sum = zlib.crc32(line)
            if known is None or not len(known.trace):  # there is nothing yet that a power failure could take
                self._write(line)
                os.replace(temporary, self.path)
                return
            ends = np.cumsum(known.trace.batches)
            batches = map(known.trace.rows, ends - known.trace.batches, ends)
            self._write(b"".join((line, *(self._frame(*rows, known.seconds, continues=False) for rows in batches))))
            os.fsync(self._file.fileno())
            rename(temporary, self.path)
        except OSError as cause:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise self._failed(cause) from cause

    def append(
        self,
        candidates: IntArray,
        values: FloatArray,
        clean: FloatArray,
        seconds: Seconds = Seconds(),  # noqa: B008 - frozen
        *,
        continues: bool = False,
    ) -> None:
        """Add one batch; the operating system has it when this returns.

        Args:
            candidates, values, clean: the batch, as in `Trace`.
            seconds: what the run has cost so far.
            continues: these rows belong to the batch before, which a smaller budget had cut.

        Raises:
            StudyError: the disk is full.
        """
        try:
            self._write(self._frame(candidates, values, clean, seconds, continues=continues))
        except OSError as cause:
            raise self._failed(cause) from cause

    def trace(self) -> Trace:
        """All that was appended, read back from the disk; afterwards the journal can only be closed or discarded.

        Raises:
            StudyError: it cannot be read, or another program has changed it.
        """
        try:
            self._file.check()
            descriptor = self._file.fileno()
            os.lseek(descriptor, 0, os.SEEK_SET)
            content, _ = _parse(b"".join(iter(lambda: os.read(descriptor, MEBIBYTE), b"")))
        except OSError as cause:
            raise StudyError(
                f"cannot read the journal {self.path}: {cause.strerror or cause}; the same command resumes its run"
            ) from cause
        if content is None or not content.whole or len(content.known.trace) != self._rows:
            raise StudyError(f"another program has changed the journal {self.path}; the same command resumes its run")
        return content.known.trace

    def close(self) -> None:
        """Close the file; the journal stays until `discard`. A full disk is not an error here."""
        with suppress(OSError):
            self._file.close()

    def discard(self) -> None:
        """Close and delete the file: the run's own file has taken its place."""
        self.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, content: bytes) -> None:
        """Hand bytes to the operating system, which takes fewer than it is given from a disk that is nearly full."""
        self._file.check()
        written = self._file.write(content)
        while written < len(content):
            written += self._file.write(content[written:])

    def _frame(
        self, candidates: IntArray, values: FloatArray, clean: FloatArray, seconds: Seconds, *, continues: bool
    ) -> bytes:
        """A batch as it is written next."""
        payload = b"".join(
            (
                _NOTE.pack(len(values), continues, seconds.solver, seconds.generator, seconds.target),
                candidates.astype(_LEVELS).tobytes(),
                np.asarray(values, _NUMBERS).tobytes(),
                np.asarray(clean, _NUMBERS).tobytes(),
            )
        )
        self._rows += len(values)
        self._sum = zlib.crc32(payload, self._sum)
        return _FRAME.pack(len(payload), self._sum) + payload

    def _failed(self, cause: OSError) -> StudyError:
        wrong = f"cannot write the journal {self.path}: {cause.strerror or cause}"
        if not self.path.parent.is_dir():  # the same command would begin anew, in a new folder
            return StudyError(
                f"{wrong}; the folder {self.path.parent} was moved, deleted or replaced meanwhile: put it back, and "
                "the same command resumes from there"
            )
        return StudyError(f"{wrong}; what was measured before is kept, and the same command resumes from there")


Ending = Literal["whole", "torn", "changed"]
"""What follows a journal's last usable batch: nothing; a part of the next one, since its process died in the middle of
a write; or something that no process left there, since bytes have changed. Only the last is damage."""


@dataclass(frozen=True)
class JournalContent:
    """What a journal holds.

    Attributes:
        known: its complete batches, and what they cost.
        plan: the run that it belongs to, if its writer recorded that.
        ending: what follows them.
    """

    known: Known
    plan: RunPlan | None
    ending: Ending

    @property
    def whole(self) -> bool:
        """Whether nothing is lost after the last complete batch."""
        return self.ending == "whole"

    def is_named(self, path: Path) -> bool:
        """Whether the file is named by the run that it is of; a file that was renamed is of another one."""
        return self.plan is None or self.plan.run_id == path.stem


def find_journals(folder: Path) -> list[Path]:
    """The journals in a folder, one per run, in the order of their run ids, including those of version 0.1.

    If a run has two, the longer one is returned.

    Raises:
        UnreadableError: the folder cannot be read.
    """
    paths: dict[str, list[Path]] = {}
    for path in map(folder.joinpath, names_in(folder)):
        if path.suffix in (SUFFIX, journal_0_1.SUFFIX) and not path.name.startswith("."):  # see `run_files_in`
            paths.setdefault(path.stem, []).append(path)
    return [longest_journal(journals) for _, journals in sorted(paths.items())]


def longest_journal(paths: Sequence[Path]) -> Path:
    """Of a run's journals, at least one, the one with the most queries; a single one is not read for this."""
    return paths[0] if len(paths) == 1 else max(paths, key=_queries)


def _queries(path: Path) -> int:
    try:
        content = read_journal(path)
    except StudyError:  # a link, a pipe or a folder
        return -1
    return 0 if content is None else len(content.known.trace)


def read_journal(path: Path) -> JournalContent | None:
    """All complete batches of a journal; None if there is no such file, or it has no complete batch.

    Raises:
        StudyError: it is not a regular file, or is too large.
        UnreadableError: it cannot be read.
    """
    return read_journal_and_ending(path)[0]


def read_undamaged_journal(path: Path) -> JournalContent | None:
    """What `read_journal` returns, of a journal of which nothing is lost but a write that was cut short.

    Raises:
        StudyError: it is damaged, or as `read_journal`.
        UnreadableError: it cannot be read.
    """
    content, ending = read_journal_and_ending(path)
    if ending != "changed":
        return content
    if content is None:
        raise StudyError(f"{path} is damaged from its beginning; `amb study doctor --repair` moves it to damaged/")
    raise StudyError(
        f"{path} is damaged after {len(content.known.trace)} queries; get a good copy, or finish the run in its own "
        "study, where the queries before the damage are used, or delete the file"
    )


def read_journal_and_ending(path: Path) -> tuple[JournalContent | None, Ending]:
    """What `read_journal` returns, and how the journal ended, which one without a complete batch tells as well.

    A first line that is not a journal's is "changed": it is written whole, before the file has its name.

    Raises:
        StudyError, UnreadableError: as `read_journal`.
    """
    try:
        content = read_bytes(path, LARGEST)
    except FileNotFoundError:
        return None, "whole"
    except OSError as cause:
        refuse_unreadable(path, cause)
        raise StudyError(f"the journal {path} cannot be used: {cause.strerror or cause}") from cause
    return _parse_0_1(content) if path.suffix == journal_0_1.SUFFIX else _parse(content)


def _parse_0_1(content: bytes) -> tuple[JournalContent | None, Ending]:
    """A journal of version 0.1, whose damage is not told from a write that was cut short."""
    parsed = journal_0_1.parse(content)
    if parsed is None:
        return None, "torn"
    known, plan, whole = parsed
    ending: Ending = "whole" if whole else "torn"
    return JournalContent(known, plan, ending), ending


def _parse(content: bytes) -> tuple[JournalContent | None, Ending]:
    end = content.find(b"\n", 0, LONGEST_LINE) + 1
    try:
        d, plan = _header(content[:end])
    except ValueError:
        return None, "changed" if content else "torn"
    total, seconds = zlib.crc32(content[:end]), Seconds()
    ending: Ending = "whole"
    if (frames := _lone_queries(content, end, d, total)) is not None:
        values, clean = (as_activations(np.ascontiguousarray(frames[name])) for name in ("value", "clean"))
        spent = Seconds(*frames["seconds"][-1].tolist())
        trace = Trace(frames["candidate"].astype(np.int64), values, clean, np.ones(len(frames), np.int64))
        return JournalContent(Known(trace, spent), plan, "whole"), "whole"
    parts: list[tuple[IntArray, FloatArray, FloatArray]] = []
    sizes: list[int] = []
    while end < len(content):
        try:
            payload, total = _payload(content, end, d, total)
            rows, seconds, continues = _rows(payload, d)
        except EOFError:
            ending = "torn"
            break
        except ValueError:
            ending = "changed"
            break
        end += _FRAME.size + len(payload)
        parts.append(rows)
        if continues and sizes:
            sizes[-1] += len(rows[1])
        else:
            sizes.append(len(rows[1]))
    if not parts:
        return None, ending
    candidates = np.concatenate([rows[0] for rows in parts], dtype=np.int64)
    values, clean = (np.concatenate([rows[i] for rows in parts]) for i in (1, 2))
    trace = Trace(candidates, values, clean, np.array(sizes, dtype=np.int64))
    return JournalContent(Known(trace, seconds), plan, ending), ending


def _header(line: bytes) -> tuple[int, RunPlan | None]:
    """Dimensions and plan.

    Raises:
        ValueError: the line is not a journal's first.
    """
    header = json_object(line)
    d, plan = header.get("d"), header.get("plan")
    if header.get("journal") != FORMAT or type(d) is not int or not 1 <= d <= DIMENSIONS:
        raise ValueError("not the first line of a journal")
    return d, None if plan is None else RunPlan.from_content(plan)


def _payload(content: bytes, start: int, d: int, total: int) -> tuple[memoryview, int]:
    """The payload of the frame at `start`, and the checksum up to its end; nothing is copied.

    Raises:
        EOFError: the frame is torn.
        ValueError: it is damaged.
    """
    if len(content) < start + _FRAME.size:
        raise EOFError("a torn frame")
    length, expected = _FRAME.unpack_from(content, start)
    payload = memoryview(content)[start + _FRAME.size :][:length]
    if len(payload) < length:
        if len(payload) >= _NOTE.size and length != _length(_NOTE.unpack_from(payload)[0], d):
            raise ValueError("a frame whose length is damaged")
        raise EOFError("a torn frame")
    if zlib.crc32(payload, total) != expected:
        raise ValueError("a damaged frame")
    return payload, expected


def _lone_queries(content: bytes, start: int, d: int, total: int) -> "np.ndarray[Any, Any] | None":
    """The frames from `start` on as one array, if each holds one query and all are whole; otherwise None.

    Most journals are of this kind, and an array is read fifteen times as fast as frame by frame.
    """
    note = [("queries", "<u4"), ("continues", "u1"), ("seconds", "<f8", 3)]
    kind = np.dtype(
        [("length", "<u4"), ("sum", "<u4"), *note, ("candidate", "<u2", (d,)), ("value", "<f8"), ("clean", "<f8")]
    )
    number, rest = divmod(len(content) - start, kind.itemsize)
    if rest or not number:
        return None
    frames = np.frombuffer(content, kind, offset=start)
    seconds = frames["seconds"]
    lone = (frames["length"] == kind.itemsize - _FRAME.size) & (frames["queries"] == 1) & (frames["continues"] == 0)
    if not (lone.all() and ((seconds >= 0) & (seconds <= MOST_SECONDS)).all()):
        return None
    payloads, place = memoryview(content), start
    for expected in frames["sum"].tolist():
        total = zlib.crc32(payloads[place + _FRAME.size : place + kind.itemsize], total)
        if total != expected:
            return None
        place += kind.itemsize
    return frames


def _length(queries: int, d: int) -> int:
    """Bytes of the payload of a batch."""
    return _NOTE.size + queries * (2 * d + 16)


def _rows(payload: memoryview, d: int) -> tuple[tuple[IntArray, FloatArray, FloatArray], Seconds, bool]:
    """The rows of a batch, what the run had cost by then, and whether they belong to the batch before.

    Raises:
        ValueError: the payload contradicts itself.
    """
    if len(payload) < _NOTE.size:
        raise ValueError("a frame without a note")
    queries, continues, *seconds = _NOTE.unpack_from(payload)
    if queries < 1 or continues > 1 or len(payload) != _length(queries, d):
        raise ValueError(f"a frame of {len(payload)} bytes cannot hold {queries} queries in {d} dimensions")
    spent = as_seconds(seconds)
    split = _NOTE.size + queries * 2 * d
    candidates = np.frombuffer(payload[_NOTE.size : split], "<u2").reshape(queries, d)
    numbers = np.frombuffer(payload[split:], "<f8").reshape(2, queries)
    values, clean = as_activations(numbers)
    return (candidates, values, clean), spent, bool(continues)
