"""A thread in which batches are evaluated while solvers think in the main thread."""

import sys
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from amb.foreign import work_beside

Result = TypeVar("Result")

# How long a solver may keep the interpreter to itself while the network's compiled code waits for it. Python's default,
# 5 ms, is longer than most calls of that code take.
SWITCH_SECONDS = 2e-4
# How long an evaluation may go on after the user has asked to stop at once.
PATIENCE_SECONDS = 2.0


class EvaluationThread:
    """Does one piece of work after another.

    It is a daemon, so that an evaluation that hangs cannot keep the process from ending.
    """

    def __init__(self) -> None:
        self._work: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._switch_seconds = sys.getswitchinterval()

    def start(self, work: Callable[[], Result], result: "Future[Result]") -> None:
        """Do some work, and set its result."""
        if self._thread is None:
            sys.setswitchinterval(SWITCH_SECONDS)
            self._thread = Thread(target=self._go_on, name="amb-evaluation", daemon=True)
            self._thread.start()
        self._work.put((work, result))

    def close(self, *, at_once: bool) -> None:
        """Finish the work; if `at_once`, give up on it after two seconds."""
        if self._thread is not None:
            self._work.put(None)
            self._thread.join(PATIENCE_SECONDS if at_once else None)
            sys.setswitchinterval(self._switch_seconds)

    def _go_on(self) -> None:
        work_beside()
        while (item := self._work.get()) is not None:
            work, result = item
            try:
                result.set_result(work())
            except BaseException as cause:
                result.set_exception(cause)
            del item, work, result  # while this waits, it keeps no batch in memory
