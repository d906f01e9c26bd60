"""The index of a study's runs: one file that says how each ended, and holds what tables need of it.

A start with nothing to do, a status, a report and a leaderboard open no run file that it knows. It is derived from the
run files and never decides against one. An entry counts only while its file has the same size, times and inode as when
the file was read to its end; without the index, or with a damaged or copied one, the files are read again. Processes
that write it at the same time lose each other's entries, and no answer.

Layout: `MAGIC`; the length of the entries, 8 bytes, and their hash, 16 bytes; the entries; the compact runs
(`amb.study.compact`), each with a checksum of its own, at the places that the entries name.
"""

import os
from contextlib import suppress
from dataclasses import fields
from hashlib import blake2b
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from amb.file_identity import Identity
from amb.held_file import HeldFile
from amb.study.compact import pack, unpack
from amb.study.durable import write_whole
from amb.study.recording import Recording
from amb.study.runs import RunPlan, RunRecord, Status, Trace
from amb.study.untrusted import MEBIBYTE, check_file

NAME = ".index"
MAGIC = b"amb index 2\n"
LARGEST = 1024 * MEBIBYTE
MOST_ENTRIES = 256 * MEBIBYTE
# Bytes of compact runs that are kept: 20 million queries. A study with more reads the files of the others.
MOST_KEPT = 256 * MEBIBYTE
# What a compact record consists of; an index with other fields is of another version.
FIELDS = tuple(field.name for kind in (RunPlan, Recording, RunRecord) for field in fields(kind))
HASH_BYTES = 16


class Entry(Struct, frozen=True, array_like=True):
    """How a run ended: see `RunRecord`; and where its compact run begins among those of the index, -1 if nowhere."""

    file: Identity
    status: Status
    failed: bool
    budget: int
    timing: bool
    place: int = -1
    size: int = 0


class _Content(Struct, frozen=True):
    fields: tuple[str, ...]
    runs: dict[str, Entry]


class Index:
    """The entries of the runs in a study's folder, by run id."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._file: HeldFile | None = None
        self._start = 0
        self._entries = self._read()
        self._kept = sum(entry.size for entry in self._entries.values())
        self._new: dict[str, bytes] = {}
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

    def load(self, run_file: Path) -> tuple[RunRecord, Trace] | None:
        """The record and the compact trace of a run file that has not changed since it was read; None without them."""
        entry = self.find(run_file)
        packed = None if entry is None else self._packed(run_file.stem, entry)
        run = None if packed is None else unpack(packed)
        # Processes that share the open file after a fork may read each other's runs.
        return run if run is not None and run[0].plan.run_id == run_file.stem else None

    def add(self, run_file: Path, file: Identity, record: RunRecord, trace: Trace) -> Entry:
        """Note what a run file holds that was read to its end.

        Args:
            run_file: the file.
            file: its identity before it was read.
            record: its record.
            trace: its trace, compact.
        """
        entry = Entry(file, record.status, record.failed, record.plan.budget, record.timing)
        if file.settled:
            name = run_file.stem
            old = self._entries.get(name)
            self._kept -= old.size if old is not None else 0
            packed = pack(record, trace)
            if self._kept + len(packed) <= MOST_KEPT:
                self._new[name] = packed
                entry = replace(entry, size=len(packed))
                self._kept += len(packed)
            self._entries[name] = entry
            self._grown = True
        return entry

    def save(self) -> None:
        """Write the index if it has grown; one that cannot be written is not an error."""
        if not self._grown:
            return
        parts: list[bytes] = []
        entries: dict[str, Entry] = {}
        place = 0
        for name, entry in self._entries.items():
            packed = self._packed(name, entry) or b""
            entries[name] = replace(entry, place=place if packed else -1, size=len(packed))
            parts.append(packed)
            place += len(packed)
        head = msgspec.msgpack.encode(_Content(FIELDS, entries))
        content = b"".join([MAGIC, len(head).to_bytes(8, "little"), _hash(head), head, *parts])
        self._close()  # Windows replaces no open file
        with suppress(OSError):
            write_whole(self._path, content, error=None)
            self._grown = False
            self._new = {}
            self._entries = self._read()

    def _packed(self, name: str, entry: Entry) -> bytes | None:
        """The bytes of a compact run, which may be damaged; None if they are not kept."""
        if name in self._new:
            return self._new[name]
        if self._file is None or entry.place < 0:
            return None
        try:
            self._file.check()
            if (
                not 0 <= entry.size <= os.fstat(self._file.fileno()).st_size
            ):  # memory is taken for as much as is asked for
                return None
            self._file.seek(self._start + entry.place)
            packed = self._file.read(entry.size)
        except (OSError, OverflowError, ValueError):
            return None
        return packed if len(packed) == entry.size else None

    def _read(self) -> dict[str, Entry]:
        """The entries on disk; the file stays open for the compact runs, so that a replaced one does not mix in."""
        self._close()
        try:
            check_file(self._path, LARGEST)
            self._file = HeldFile(self._path)
            head_place = len(MAGIC) + 8 + HASH_BYTES
            front = self._file.read(head_place)
            length = int.from_bytes(front[len(MAGIC) : len(MAGIC) + 8], "little")
            head = self._file.read(length) if length <= MOST_ENTRIES else b""
            if front[: len(MAGIC)] != MAGIC or _hash(head) != front[len(MAGIC) + 8 :]:
                raise ValueError("damaged, or of another version")
            content = _DECODER.decode(head)
            if content.fields != FIELDS:
                raise ValueError("of another version")
        except (OSError, ValueError, RecursionError):
            self._close()
            return {}
        self._start = head_place + length
        return content.runs

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


_DECODER = msgspec.msgpack.Decoder(_Content)


def _hash(content: bytes) -> bytes:
    return blake2b(content, digest_size=HASH_BYTES).digest()
