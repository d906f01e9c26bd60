"""Calling the code of plug-ins: one rule for what it may raise, and how it is reported in one line.

Whatever a plug-in raises ends what it was called for (a run, a report, a command that needs the plug-in) and nothing
else, even exceptions outside `Exception`: `sys.exit`, a cancellation, a generator's exit. Only the user ends a command.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_LONGEST = 500
"""Characters of an exception's text that are shown."""


class Interrupted(KeyboardInterrupt):
    """The user, or the system with SIGTERM, asks the command to stop.

    Attributes:
        number: the signal.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__()
        self.number = number


class RaisesInterrupted:
    """Base class of a signal handler's owner that raises `Interrupted` rather than a plain KeyboardInterrupt."""


def from_user(error: BaseException) -> bool:
    """Whether an exception comes from the user's Ctrl-C rather than from the plug-in that was called.

    While a `RaisesInterrupted` handles SIGINT, where SIGINT is ignored (as in a shell's background jobs), and outside
    the main thread, a plain KeyboardInterrupt can only be the plug-in's.
    """
    if not isinstance(error, KeyboardInterrupt) or threading.current_thread() is not threading.main_thread():
        return False
    handler = signal.getsignal(signal.SIGINT)
    raises_plain = callable(handler) and not isinstance(getattr(handler, "__self__", None), RaisesInterrupted)
    return isinstance(error, Interrupted) or raises_plain


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


@contextmanager
def contained() -> Iterator[None]:
    """Call code of a plug-in, and undo what it must not leave behind.

    A change of the working directory is undone: relative paths of studies depend on it. A process that the code forked
    and that comes back from it, by returning or by an exception, ends here: it would go on as a second bench, which
    writes into the same files.
    """
    process, before = os.getpid(), _directory()
    try:
        yield
    finally:
        if os.getpid() != process:
            os._exit(1)
        if before is not None:
            with suppress(OSError):
                if _directory() != before:
                    os.chdir(before)


def _directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it has been deleted
        return None
