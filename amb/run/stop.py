"""Ctrl-C once: finish the batch and keep it. Twice: stop at once, and keep every batch that was finished."""

import signal
from collections.abc import Callable
from contextlib import suppress

from amb.interruption import Receiver
from amb.run.isolation.descendants import wake_descendants


class Stop(Receiver):
    """A context in which the first signal only sets `requested`; the second raises `Interrupted`."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self.requested = False
        self._say = say
        self._number = signal.SIGINT

    def __enter__(self) -> "Stop":
        super().__enter__()
        return self

    def check(self) -> None:
        """Raise `Interrupted` if a stop was requested; call it where stopping loses nothing."""
        if self.requested:
            raise self.interruption(self._number)

    def receive(self, number: int) -> None:
        """Finish the batch first, unless a stop is requested already."""
        if self.requested:
            raise self.interruption(number)
        self.requested, self._number = True, signal.Signals(number)
        wake_descendants()  # a stopped process would never finish the batch that this one waits for
        with suppress(OSError):  # the terminal may be gone
            self._say("stopping after this batch; press Ctrl-C again to stop at once")
