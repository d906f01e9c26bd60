"""The limits of a run, and the clock that enforces them."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Real
from types import FrameType

from amb.clock import CLOCK
from amb.errors import SpecError
from amb.spec import flag


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of each run of a study.

    Args:
        timeout: seconds that a run may take: its solver's, and its share of evaluation, over all processes
            that worked on it. None for no limit.
        isolate: run every solver in its own process, so that one that hangs, crashes or exits does not affect the
            others.
        memory: bytes of resident memory that such a process may use. None for no limit.

    Raises:
        SpecError: a limit that is not positive, or `memory` without `isolate`.
    """

    timeout: float | None = None
    isolate: bool = False
    memory: int | None = None

    def __post_init__(self) -> None:
        flag(self.isolate, "isolate")
        for what, value in (("timeout", self.timeout), ("memory limit", self.memory)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, Real)):
                raise SpecError(f"the {what} must be a number or None, got {value!r:.80}")
        if self.timeout is not None and not self.timeout > 0:
            raise SpecError(f"the timeout must be more than 0 seconds, got {self.timeout}")
        if self.memory is not None and self.memory < 1:
            raise SpecError(f"the memory limit must be at least 1 byte, got {self.memory}")
        if self.memory is not None and not self.isolate:
            raise SpecError("a memory limit needs --isolate: only a separate process can be measured and stopped")


NO_LIMITS = Limits()
_AGAIN_SECONDS = 0.5
_LOOK_SECONDS = 0.01
_LONGEST_SECONDS = 1e8  # three years; timers refuse numbers that are much larger, such as infinity
_AMB = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")


class OutOfTime(BaseException):
    """A run's seconds are spent. Not an `Exception`, so that no solver swallows it."""


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Raise `OutOfTime` in this block once the seconds are over, as soon as Python code runs.

    They are those that a run is charged: while the process is stopped or waits for a processor, none pass.

    Code in C is not interrupted before it returns, and outside the main thread no code is; use `Limits.isolate`
    there, and for untrusted code.

    Raises:
        OutOfTime: the seconds are over, at the latest when the block ends.
    """
    if seconds is None:
        yield
        return
    if seconds <= 0:
        raise OutOfTime
    start = CLOCK.now()
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
    else:
        rung = False

        def ring(number: int, frame: FrameType | None) -> None:
            nonlocal rung
            if rung and frame is not None and frame.f_code.co_filename.startswith(_AMB):
                return  # the bench puts back what the interrupted code has left
            if not rung and (left := _LOOK_SECONDS if CLOCK.in_use() else seconds - CLOCK.since(start)) > 0:
                signal.setitimer(signal.ITIMER_REAL, _timer(left), _AGAIN_SECONDS)
                return
            rung = True
            raise OutOfTime

        before = signal.signal(signal.SIGALRM, ring)
        try:
            # Again and again: code may swallow one, and Python does where it deletes an object.
            signal.setitimer(signal.ITIMER_REAL, _timer(seconds), _AGAIN_SECONDS)
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
    if CLOCK.since(start) >= seconds:
        raise OutOfTime


def _timer(seconds: float) -> float:
    return max(_LOOK_SECONDS, min(seconds, _LONGEST_SECONDS))
