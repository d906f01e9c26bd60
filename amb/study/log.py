"""What happened to a study: one JSON object a line, from every process that worked on it."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

Level = Literal["info", "warning", "error"]


class StudyLog:
    """Appends to ``log.jsonl``; a line is written at once and whole, so processes may share the file.

    A log that cannot be written stops nothing: the study's own files report a full disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, level: Level, event: str, **fields: object) -> None:
        """One line: UTC time, level, event, process and the fields."""
        line = {
            "time": now(),
            "level": level,
            "event": event,
            "pid": os.getpid(),
            **fields,
        }
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                os.write(descriptor, json.dumps(line, default=str).encode() + b"\n")
            finally:
                os.close(descriptor)
        except OSError:
            pass

    def read(self) -> Iterator[Mapping[str, object]]:
        """All lines that are whole, oldest first."""
        try:
            with self.path.open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    try:
                        entry = json.loads(line)
                    except ValueError:
                        continue  # torn by a death or a full disk
                    if isinstance(entry, dict):
                        yield entry
        except OSError:
            return


def now() -> str:
    """The wall clock, which may jump: for people to read, never to measure with."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
