"""Ctrl-C once: finish the batch, keep everything. Twice: stop at once, and keep everything that was told."""

import signal
import threading
from collections.abc import Callable
from types import FrameType


class Stop:
    """A context in which the first SIGINT or SIGTERM only sets `requested`; the second raises KeyboardInterrupt.

    Where a program has handlers of its own, or outside the main thread, nothing is changed.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.requested = False
        self._say = say
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Stop":
        if threading.current_thread() is threading.main_thread():
            for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
                if signal.getsignal(number) is usual:
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def check(self) -> None:
        """Raise KeyboardInterrupt if a stop was asked for: here is a good place."""
        if self.requested:
            raise KeyboardInterrupt

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        self._say("stopping after this batch; once more stops at once")
