"""Calling the code of plug-ins: one rule for what it may raise, and how it is reported in one line.

Whatever a plug-in raises ends what it was called for (a run, a report, a command that needs the plug-in) and nothing
else, even exceptions outside `Exception`: `sys.exit`, a cancellation, a generator's exit. Only the user ends a command.
"""

import os
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from amb import variables
from amb.interruption import from_user, is_a
from amb.process_settings import ProcessSettings
from amb.streams import Streams
from amb.torch_precision import without_autocast

T = TypeVar("T")

_LONGEST = 500
"""Characters of an exception's text that are shown."""
_MOST_CALLS = 1000
"""Calls of a traceback that are shown; Python allows as many unless it is told otherwise."""
_MOST_EXCEPTIONS = 500
"""Exceptions that a traceback may be made of: causes, and members of groups as often as a path leads to them."""
_MOST_LEVELS = 3
"""Groups within groups whose members are named in a line."""
_NAME = type.__dict__["__name__"].__get__
"""The name of a class, whatever its metaclass answers."""


def in_a_line(error: BaseException, levels: int = _MOST_LEVELS) -> str:
    """An exception's type and text in one line; of a group, also its members, down to some levels."""
    text = " ".join(text_of(error)[: 4 * _LONGEST].split())[:_LONGEST]
    if levels and is_a(error, BaseExceptionGroup):
        group = error
        none: tuple[BaseException, ...] = ()
        members = _shown(lambda: tuple(group.exceptions[:3]), none)
        text += f": {'; '.join(in_a_line(member, levels - 1) for member in members)}"
    return f"{_NAME(type(error))}: {text}".removesuffix(": ")[:_LONGEST]


def explained(error: BaseException) -> str:
    """The traceback of an exception, of its last calls if it is deep: a solver may allow itself a million of them.

    If too many others belong to it, only its own calls; if it lets no traceback be made, none. The last line is
    `in_a_line`'s.
    """
    text, line = _shown(lambda: _traceback(error), ""), in_a_line(error)
    return text if text.endswith(line) else "\n".join(filter(None, (text, line)))


def _traceback(error: BaseException) -> str:
    if _has_many(error):
        calls = traceback.format_tb(error.__traceback__, limit=-_MOST_CALLS)
        return "".join(["Traceback (most recent call last):\n", *calls]).rstrip()
    return "".join(traceback.format_exception(error, limit=-_MOST_CALLS)).rstrip()


def _has_many(error: BaseException) -> bool:
    """Whether Python would visit too many exceptions: it follows every path through groups, shown or not."""
    waiting, causes = [error], {id(error)}
    for _ in range(_MOST_EXCEPTIONS):
        if not waiting:
            return False
        one = waiting.pop()
        for cause in (one.__cause__, one.__context__):
            if cause is not None and id(cause) not in causes:
                causes.add(id(cause))
                waiting.append(cause)
        if is_a(one, BaseExceptionGroup):
            waiting += one.exceptions[:_MOST_EXCEPTIONS]
    return True


def text_of(error: BaseException) -> str:
    """What an exception says of itself, whole."""
    return _shown(lambda: str.__getitem__(str(error), slice(None)), "its text cannot be shown")


def _shown(make: Callable[[], T], otherwise: T) -> T:
    """What is shown of an exception, whose text and attributes are code of the plug-in, too."""
    try:
        return make()
    except BaseException as another:
        if from_user(another):
            raise
        return otherwise


class contained:
    """Call code of a plug-in, and undo what it must not leave behind.

    A change of the working directory is undone: relative paths of studies depend on it. So is a change of the mask of
    new files, or nobody may read the results. So is a closed or replaced stdout or stderr: results are printed there; a
    filter that turns warnings into errors, those of other code, too; and a change of the `ProcessSettings`. A caller's
    autocast is not in force meanwhile: what is computed here does not depend on who asked.
    Variables of the environment stay, and are noted.
    A process that the code forked and that comes back from it, by returning or by an exception, ends here: it would go
    on as a second bench, which writes into the same files.
    """

    __slots__ = ("_autocast", "_before", "_process", "_settings", "_variables")

    def __enter__(self) -> None:
        self._process = os.getpid()
        self._autocast = without_autocast()
        self._before = _OPEN.enter()
        self._variables = variables.found()
        self._settings = ProcessSettings() if works_alone() else None  # last: nothing of the bench is undone

    def __exit__(self, *raised: object) -> None:
        if os.getpid() != self._process:
            os._exit(1)
        if self._autocast is not None:
            self._autocast.close()
        if self._settings is not None:
            self._settings.restore()
            variables.note_changes(self._variables)
        if _OPEN.leave():
            self._before.restore(alone=self._settings is not None)


class _Process:
    """What all threads have in common, at one moment: working directory, mask of new files, streams, warnings."""

    __slots__ = ("_folder", "_mask", "_streams", "_strict")

    def __init__(self) -> None:
        self._folder, self._mask = current_folder(), _mask()
        self._streams, self._strict = Streams(), _warnings_as_errors()

    def restore(self, *, alone: bool) -> None:
        self._streams.restore(alone=alone)
        os.umask(self._mask)
        for entry in _warnings_as_errors():
            if entry not in self._strict:
                warnings.filters.remove(entry)  # type: ignore[attr-defined]
        if self._folder is not None and current_folder() != self._folder:
            with suppress(OSError):
                os.chdir(self._folder)


class _Open:
    """The blocks that are `contained` now, in all threads.

    What the first of them has found is the usual state of the process. A block that another thread begins meanwhile
    cannot find it: the code that runs may have silenced stdout, or changed the directory, for a moment. Nor may a
    thread that works beside another one end that moment.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._blocks: dict[int, int] = {}  # by thread
        self._beside = 0  # those of threads that work beside others
        self._usual: _Process | None = None
        self._pid = os.getpid()

    def enter(self) -> _Process:
        """Begin a block; returns what it has to put back."""
        if self._pid != os.getpid():  # other threads do not survive a fork
            self._begin()
        thread = threading.get_ident()
        with self._lock:
            # Within a block, what its code has set is the usual state.
            if self._usual is None or thread in self._blocks:
                found = _Process()
                self._usual = self._usual or found
            else:
                found = self._usual
            if is_beside():
                self._beside += 1
            else:
                self._blocks[thread] = self._blocks.get(thread, 0) + 1
            return found

    def leave(self) -> bool:
        """End a block; returns whether it puts back what it has found."""
        thread = threading.get_ident()
        with self._lock:
            if is_beside():
                self._beside -= 1
            elif self._blocks[thread] > 1:
                self._blocks[thread] -= 1
            else:
                del self._blocks[thread]
            last = not self._blocks and not self._beside
            if last:
                self._usual = None
            return last or not is_beside()


_OPEN = _Open()
_ROLE = threading.local()


def work_beside() -> None:
    """Declare that this thread evaluates problems while another one calls solvers."""
    _ROLE.beside = True


def is_beside() -> bool:
    """Whether `work_beside` was called in this thread."""
    return getattr(_ROLE, "beside", False)


@contextmanager
def working_alone() -> Iterator[None]:
    """A context in which no other thread of this process changes settings: its main thread only waits for this one."""
    _ROLE.alone = True
    try:
        yield
    finally:
        _ROLE.alone = False


def works_alone() -> bool:
    """Whether this thread puts back `ProcessSettings`: the main thread, or one that is `working_alone`.

    In another thread, such as one that a notebook's user has started, they stay: what the user sets meanwhile in the
    main thread cannot be told from what a plug-in has set.
    """
    return threading.current_thread() is threading.main_thread() or getattr(_ROLE, "alone", False)


def current_folder() -> str | None:
    """Where the process works; None if that folder has been deleted."""
    try:
        return os.getcwd()
    except OSError:
        return None


def _warnings_as_errors() -> list[tuple[object, ...]]:
    return [entry for entry in warnings.filters if entry[0] == "error"]


_last_mask = 0o077


def _mask() -> int:
    """The mask of new files. It can only be read by setting it, so it is set to what it was when it was last read."""
    global _last_mask
    mask = os.umask(_last_mask)
    if mask != _last_mask:
        os.umask(mask)
        _last_mask = mask
    return mask
