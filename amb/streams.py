"""stdout and stderr stay usable, whatever a plug-in or the program that starts a command does with them.

A closed descriptor 1 is worse than silence: the next file that is opened, such as a journal, takes its number, and what
is printed is written into it.
"""

import os
import stat
import sys
from contextlib import suppress
from typing import Any, ClassVar, TextIO

_NAMES = {1: "stdout", 2: "stderr"}
_kept: dict[tuple[int, tuple[int, int]], int] = {}
"""Copies of descriptors 1 and 2, by number and file."""
_MOST_KEPT = 8


class Streams:
    """The streams at one moment, so that `restore` can undo what a plug-in's code does to them afterwards."""

    __slots__ = ("_files", "_stderr", "_stdout")

    def __init__(self) -> None:
        self._stdout, self._stderr = sys.stdout, sys.stderr
        self._files = _file(1), _file(2)
        for number, file in enumerate(self._files, 1):
            if file is not None and (number, file) not in _kept:
                _keep(number, file)

    def restore(self, *, alone: bool) -> None:
        """Reopen what was closed and put back what was replaced.

        Args:
            alone: whether nothing but the plug-in may have replaced `sys.stdout`.
        """
        files = _file(1), _file(2)
        same = files == self._files and sys.stdout is self._stdout and sys.stderr is self._stderr
        if same and not (getattr(sys.stdout, "closed", False) or getattr(sys.stderr, "closed", False)):
            return  # as nearly always, and this is called for every batch
        for number, (file, now) in enumerate(zip(self._files, files, strict=True), 1):
            if file is not None and now != file:
                copy = _kept.get((number, file))
                if copy is not None and _file(copy) == file:
                    os.dup2(copy, number)
                else:
                    _kept.pop((number, file), None)  # closed as well: its number may mean another file by now
                    if now is None:
                        _lead_nowhere(number)
        sys.stdout = _usable(self._stdout if alone else sys.stdout, 1)
        sys.stderr = _usable(self._stderr if alone else sys.stderr, 2)


class ResultsOnly:
    """A context in which stdout is kept for what `print_result` prints.

    All else, such as what a plug-in prints when it is imported, goes to stderr: a program that reads results could not
    tell it from them. That holds for descriptor 1, too, which code in C and other processes write to.
    """

    _open: ClassVar["ResultsOnly | None"] = None

    def __enter__(self) -> None:
        self._stdout = sys.stdout
        self._copy = os.dup(1) if _is(self._stdout, 1) else None
        self._divert()
        ResultsOnly._open = self

    def __exit__(self, *_: object) -> None:
        ResultsOnly._open = None
        self._give_back()
        if self._copy is not None:
            os.close(self._copy)

    def print(self, text: str) -> None:
        """Print a result; if that fails, stdout stays what it was before, with what it holds."""
        self._give_back()
        print(text, file=self._stdout, flush=True)
        self._divert()

    def _divert(self) -> None:
        self._stdout.flush()
        if self._copy is not None:
            os.dup2(2, 1)
        sys.stdout = sys.stderr

    def _give_back(self) -> None:
        with suppress(OSError, ValueError):  # a stderr that takes no more
            sys.stdout.flush()
        if self._copy is not None:
            os.dup2(self._copy, 1)
        sys.stdout = self._stdout


def print_result(text: str) -> None:
    """Print what a command was asked for on stdout, as the only text there within `ResultsOnly`."""
    if ResultsOnly._open is None:
        print(text)
    else:
        ResultsOnly._open.print(text)


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


def _is(stream: Any, number: int) -> bool:
    """Whether a stream writes to a descriptor."""
    try:
        return bool(stream.fileno() == number)
    except (AttributeError, OSError, ValueError):  # in memory, or closed
        return False


def _file(number: int) -> tuple[int, int] | None:
    """The file that a descriptor means; None if it is closed."""
    try:
        found = os.fstat(number)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _keep(number: int, file: tuple[int, int]) -> None:
    """Keep a copy of a descriptor, for all later calls: making one takes longer than all else here."""
    with suppress(OSError):  # too many open files
        copy = os.dup(number)
        while len(_kept) >= _MOST_KEPT:
            os.close(_kept.pop(next(iter(_kept))))
        _kept[number, file] = copy


def _usable(stream: Any, number: int) -> Any:
    return _opened(number, getattr(stream, "encoding", None)) if getattr(stream, "closed", False) else stream


def _lead_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)


def _opened(number: int, encoding: str | None = None) -> TextIO:
    return open(number, "w", encoding=encoding or "utf-8", errors="replace", buffering=1, closefd=False)
