"""What happened to a study: one JSON object per line, from every process that worked on it."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from amb.study.durable import part_from_links
from amb.study.own_files import text
from amb.study.untrusted import check_file, json_object

Level = Literal["info", "warning", "error"]

# Largest number of bytes read of a line, and of a log.
LONGEST_LINE = 1 << 20
LARGEST = 1 << 30
LOG_NAME = "log.jsonl"
LOG = text("a study's log", '"time"', '"event"', '"pid"')
# Links are not followed, and opening a pipe does not block.
_SAFELY = os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _SAFELY


class StudyLog:
    """Appends to ``log.jsonl``; each line is one write, so processes may share the file.

    A log that cannot be written is not an error: the study's own files report a full disk.
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
            part_from_links(self.path)
            descriptor = os.open(self.path, _FLAGS, 0o666)
            try:
                os.write(descriptor, json.dumps(line, default=str).encode() + b"\n")
            finally:
                os.close(descriptor)
        except OSError:
            pass

    def read(self) -> Iterator[Mapping[str, object]]:
        """All whole lines, oldest first."""
        try:
            check_file(self.path, LARGEST)
            with self.path.open("rb") as lines:
                while line := lines.readline(LONGEST_LINE):
                    try:
                        yield json_object(line)
                    except ValueError:
                        continue  # torn by a death or a full disk
        except OSError:
            return


def now() -> str:
    """The wall clock, which may jump: for people to read, not for measurements."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
