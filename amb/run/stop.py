"""Ctrl-C once: finish the batch and keep it. Twice: stop at once, and keep every batch that was finished."""

import signal
import threading
from collections.abc import Callable
from types import FrameType

from amb.foreign import Interrupted, RaisesInterrupted


class Stop(RaisesInterrupted):
    """A context in which the first SIGINT or SIGTERM only sets `requested`; the second raises `Interrupted`.

    Does nothing outside the main thread, or if the program has its own handlers.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.requested = False
        self._say = say
        self._number = signal.SIGINT
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Stop":
        if threading.current_thread() is threading.main_thread():
            for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
                if signal.getsignal(number) is usual:
                    self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def check(self) -> None:
        """Raise `Interrupted` if a stop was requested; call it where stopping loses nothing."""
        if self.requested:
            raise Interrupted(self._number)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise Interrupted(self._number)
        self.requested, self._number = True, signal.Signals(number)
        self._say("stopping after this batch; press Ctrl-C again to stop at once")
