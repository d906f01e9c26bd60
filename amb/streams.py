"""stdout and stderr stay usable, whatever a plug-in or the program that starts a command does with them.

A closed descriptor 1 is worse than silence: the next file that is opened, such as a journal, takes its number, and what
is printed is written into it.
"""

import os
import stat
import sys
import threading
from contextlib import suppress
from typing import TextIO

_NAMES = {1: "stdout", 2: "stderr"}


class Streams:
    """The streams at one moment, so that `restore` can undo what a plug-in's code does to them afterwards."""

    def __init__(self) -> None:
        self._objects = {name: getattr(sys, name) for name in _NAMES.values()}
        self._files = {number: file for number in _NAMES if (file := _file(number)) is not None}
        self._copies = {number: _copy(number) for number in self._files}

    def restore(self) -> None:
        """Reopen what was closed and put back what was replaced; call it once."""
        for number, file in self._files.items():
            copy = self._copies[number]
            if copy is not None and _file(copy) != file:  # closed as well; its number may mean another file by now
                copy = None
            if _file(number) is None and copy is None:
                _lead_nowhere(number)
            elif _file(number) != file and copy is not None:
                os.dup2(copy, number)
            if copy is not None:
                os.close(copy)
        alone = threading.current_thread() is threading.main_thread()
        for number, name in _NAMES.items():
            now = self._objects[name] if alone else getattr(sys, name)
            if getattr(now, "closed", False):
                now = _opened(number, getattr(now, "encoding", None))
            setattr(sys, name, now)


def complete() -> None:
    """Give a process that was started without streams (`amb ... >&-`) streams that lead nowhere."""
    for number in range(3):
        if _file(number) is None:
            _lead_nowhere(number)
    for number, name in _NAMES.items():
        if getattr(sys, name) is None:
            setattr(sys, name, _opened(number))


def leave_lost_terminal() -> None:
    """Lead streams whose terminal is gone nowhere: writing to them would be an error."""
    for number in _NAMES:
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(number).st_mode) and not os.isatty(number):
                _lead_nowhere(number)


def unwritable() -> str | None:
    """The stream that takes no more, such as one that leads to a full disk; what it holds is given up."""
    for number, name in _NAMES.items():
        try:
            getattr(sys, name).flush()
            os.write(number, b"\n")  # an unbuffered stream holds nothing that a flush could write
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                _lead_nowhere(number)
                getattr(sys, name).flush()
            return name
    return None


def _file(number: int) -> tuple[int, int] | None:
    """The file that a descriptor means; None if it is closed."""
    try:
        found = os.fstat(number)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _copy(number: int) -> int | None:
    try:
        return os.dup(number)
    except OSError:  # too many open files
        return None


def _lead_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)


def _opened(number: int, encoding: str | None = None) -> TextIO:
    return open(number, "w", encoding=encoding or "utf-8", errors="replace", buffering=1, closefd=False)
