"""Ctrl-C and the signals by which a system ends a program: who receives them, and what they raise."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import ClassVar, TypeGuard, TypeVar
from weakref import ref

from amb.streams import leave_lost_terminal

E = TypeVar("E", bound=BaseException)

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C, the system's or a cluster's request to end, and a terminal that is gone."""


def how_ended(code: int) -> str:
    """How a process ended, by the exit status that Python gives: negative after a signal."""
    if code >= 0:
        return f"exited with status {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:  # one of those that have no name, such as SIGRTMIN + 1
        return f"was killed by signal {-code}"


class Interrupted(KeyboardInterrupt):
    """The user or the system asks the command to stop.

    Attributes:
        number: the signal.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__()
        self.number = number


class Receiver:
    """A context that receives the `SIGNALS`; this class raises `Interrupted` at once.

    Does nothing outside the main thread, and leaves alone what the program handles itself or ignores.
    """

    _raised: ClassVar["list[ref[Interrupted]]"] = []
    _received: ClassVar[int | None] = None  # the last signal
    _entered: ClassVar["list[Receiver]"] = []
    _holding: ClassVar[int] = 0
    _held: ClassVar["list[tuple[Receiver, int]]"] = []

    def __init__(self) -> None:
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Receiver":
        if threading.current_thread() is threading.main_thread():
            _Forks.watch()
            Receiver._entered.append(self)
            for number in SIGNALS:
                if _is_usual(handler := signal.getsignal(number)):
                    self._before[number] = handler
                    signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def leave(self) -> None:
        """Have forked processes change no signal on this one's account any more."""
        if self in Receiver._entered:
            Receiver._entered.remove(self)

    def receive(self, number: int) -> None:
        """What a signal does."""
        raise self.interruption(number)

    def interruption(self, number: int) -> Interrupted:
        """What a signal raises; `from_user` knows it from an exception that a plug-in has made."""
        raised = Interrupted(number)
        self._raised.append(ref(raised))
        return raised

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == getattr(signal, "SIGHUP", None):
            leave_lost_terminal()
        Receiver._received = number
        if Receiver._holding:
            Receiver._held.append((self, number))
        else:
            self.receive(number)


@contextmanager
def held() -> Iterator[None]:
    """A context in which signals wait: what calls Python from C may print and clear what a signal raises there.

    Does nothing outside the main thread, which no signal interrupts.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    Receiver._holding += 1
    try:
        yield
    finally:
        Receiver._holding -= 1
        if not Receiver._holding:
            waiting, Receiver._held = Receiver._held, []
            for receiver, number in waiting:
                receiver.receive(number)


class _Forks:
    """Processes that a plug-in forks, such as the workers of a pool, receive signals as they do without `amb`.

    Otherwise a worker that is terminated would only note that it is to stop, and who ended it would wait without an
    end. Signals wait while a process is forked: Python forgets those that a new process receives at once.
    """

    _watched: ClassVar[bool] = False
    _mask: ClassVar[set[int] | None] = None

    @classmethod
    def watch(cls) -> None:
        """From now on; does nothing where processes cannot be forked."""
        if not cls._watched and hasattr(os, "register_at_fork"):
            cls._watched = True
            os.register_at_fork(before=cls._before, after_in_parent=cls._unblock, after_in_child=cls._begin)

    @classmethod
    def _before(cls) -> None:
        if Receiver._entered:
            cls._mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    @classmethod
    def _unblock(cls) -> None:
        if cls._mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, cls._mask)
            cls._mask = None

    @classmethod
    def _begin(cls) -> None:
        while Receiver._entered:
            Receiver.__exit__(Receiver._entered[-1])
        cls._unblock()


def swallowed(error: BaseException) -> Interrupted | None:
    """The interruption that an import may have turned into this error.

    Extension modules that import others clear the exception that a signal raises there, and go on with a module that is
    half imported: numpy ends with "numpy._core.multiarray failed to import".
    """
    number = Receiver._received
    return Interrupted(number) if is_a(error, ImportError) and number is not None else None


def is_a(error: BaseException, kind: type[E]) -> TypeGuard[E]:
    """`isinstance` for an exception of a plug-in: it reads no attribute of the exception, which may be code."""
    return issubclass(type(error), kind)


def from_user(error: BaseException) -> bool:
    """Whether an exception comes from the user's Ctrl-C rather than from the plug-in that was called.

    While a `Receiver` handles SIGINT, where SIGINT is ignored (as in a shell's background jobs), and outside the main
    thread, a plain KeyboardInterrupt can only be the plug-in's.
    """
    if not is_a(error, KeyboardInterrupt) or threading.current_thread() is not threading.main_thread():
        return False
    if is_a(error, Interrupted):
        return any(error is raised() for raised in Receiver._raised)
    handler = signal.getsignal(signal.SIGINT)
    return callable(handler) and not is_receiver(handler)


def _is_usual(handler: object) -> bool:
    return handler in (signal.default_int_handler, signal.SIG_DFL) or is_receiver(handler)


def is_receiver(handler: object) -> bool:
    """Whether a signal's handler is a `Receiver`'s."""
    return isinstance(getattr(handler, "__self__", None), Receiver)
