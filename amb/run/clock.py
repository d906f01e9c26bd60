"""A clock for solvers' seconds that stands still while the process is stopped."""

from threading import Lock, Thread
from time import perf_counter, process_time, sleep

BEAT_SECONDS = 0.1
STOPPED_SECONDS = 1.0
"""A beat that is this late, while the process used almost no processor, means that the process was stopped."""
IDLE_SHARE = 0.1


class Clock:
    """Seconds without those in which the process was stopped, by Ctrl-Z, SIGSTOP or a suspended machine.

    A thread beats ten times a second, also while a solver sleeps or waits. If a beat is late although the processor was
    idle, the process was stopped; if the processor was busy, a solver kept the interpreter to itself, and that is its
    own time.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._stopped = 0.0
        self._wall, self._busy = perf_counter(), process_time()
        self._thread: Thread | None = None

    def now(self) -> float:
        """Seconds since some moment; only differences mean anything."""
        with self._lock:
            if self._thread is None:
                self._wall, self._busy = perf_counter(), process_time()
                self._thread = Thread(target=self._keep_beating, name="amb-clock", daemon=True)
                self._thread.start()
            return self._beat() - self._stopped

    def _beat(self) -> float:
        wall, busy = perf_counter(), process_time()
        gap, worked = wall - self._wall, busy - self._busy
        if gap > STOPPED_SECONDS and worked < IDLE_SHARE * gap:
            self._stopped += gap - worked
        self._wall, self._busy = wall, busy
        return wall

    def _keep_beating(self) -> None:
        while True:
            sleep(BEAT_SECONDS)
            with self._lock:
                self._beat()


CLOCK = Clock()
"""The process's clock."""
