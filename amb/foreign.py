"""Calling the code of plug-ins: one rule for what it may raise, and how it is reported in one line.

Whatever a plug-in raises ends what it was called for (a run, a report, a command that needs the plug-in) and nothing
else, even exceptions outside `Exception`: `sys.exit`, a cancellation, a generator's exit. Only the user ends a command.
"""

import os
import warnings
from contextlib import suppress

from amb.interruption import from_user
from amb.streams import Streams

_LONGEST = 500
"""Characters of an exception's text that are shown."""


def in_a_line(error: BaseException) -> str:
    """An exception's type and text in one line; of a group, also its members."""
    text = _text(error)
    if isinstance(error, BaseExceptionGroup):
        text += f": {'; '.join(in_a_line(member) for member in error.exceptions[:3])}"
    return f"{type(error).__name__}: {text}".removesuffix(": ")[:_LONGEST]


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException as another:  # an exception's text is code of the plug-in, too
        if from_user(another):
            raise
        return "its text cannot be shown"
    return " ".join(text[: 4 * _LONGEST].split())[:_LONGEST]


class contained:
    """Call code of a plug-in, and undo what it must not leave behind.

    A change of the working directory is undone: relative paths of studies depend on it. So is a closed or replaced
    stdout or stderr: results are printed there; and a filter that turns warnings into errors, those of other code, too.
    A process that the code forked and that comes back from it, by returning or by an exception, ends here: it would go
    on as a second bench, which writes into the same files.
    """

    __slots__ = ("_before", "_process", "_streams", "_strict")

    def __enter__(self) -> None:
        self._process, self._before = os.getpid(), _directory()
        self._streams, self._strict = Streams(), _warnings_as_errors()

    def __exit__(self, *raised: object) -> None:
        if os.getpid() != self._process:
            os._exit(1)
        self._streams.restore()
        for entry in _warnings_as_errors():
            if entry not in self._strict:
                warnings.filters.remove(entry)  # type: ignore[attr-defined]
        if self._before is not None and _directory() != self._before:
            with suppress(OSError):
                os.chdir(self._before)


def _warnings_as_errors() -> list[tuple[object, ...]]:
    return [entry for entry in warnings.filters if entry[0] == "error"]


def _directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it has been deleted
        return None
