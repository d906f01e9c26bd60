"""The clock of all metered seconds; it stands still while the process is stopped or waits for a processor."""

import os
from contextlib import suppress
from math import inf
from threading import Lock, Thread, local
from time import perf_counter, process_time, sleep, thread_time

from amb.held_file import HeldFile

BEAT_SECONDS = 0.1
STOPPED_SECONDS = 1.0
"""A beat that is this late, while the process used almost no processor, means that the process was stopped."""
IDLE_SHARE = 0.1
PROMPT_SECONDS = 50e-6
"""Readings no further apart count as one: the thread can have had no processor between them at most this long."""
READINGS = 10
"""Where every system call makes the thread wait (strace, some sandboxes), no two readings may ever agree: then the last
of this many counts."""


class Clock:
    """Seconds of the calling thread, without those in which it was ready to run but had no processor.

    Either the process was stopped, by Ctrl-Z, SIGSTOP or a suspended machine, or other threads and processes had the
    processors: a solver does not pay for the network that is evaluated meanwhile, nor the network for the solver. What
    the thread itself waits for (a process, other threads, a disk) counts.

    A thread beats ten times a second, also while a solver sleeps or waits. If a beat is late although the processor was
    idle, the process was stopped; if the processor was busy, a solver kept the interpreter to itself, and that is its
    own time.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._stopped = 0.0
        self._wall, self._busy = perf_counter(), process_time()
        self._thread: Thread | None = None
        self._queue = _Queue()

    def now(self) -> float:
        """Seconds since some moment, for `since` in the same thread."""
        wall = perf_counter()
        queue = self._queue
        # Most readings end here. They are between two solvers, where caches are cold and every step costs a lot.
        if wall - thread_time() - queue.idle <= PROMPT_SECONDS:
            return wall - self._stopped - queue.waited
        return self._read()

    def _read(self) -> float:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():  # a fork has no threads but its own
                self._wall, self._busy = perf_counter(), process_time()
                self._thread = Thread(target=self._keep_beating, name="amb-clock", daemon=True)
                self._thread.start()
            for _ in range(READINGS):
                begun = perf_counter()
                waited = self._queue.seconds()
                wall = perf_counter()
                if wall - self._wall > STOPPED_SECONDS:
                    wall = self._beat()
                # Otherwise the thread may have had no processor between the two readings.
                if wall - begun <= PROMPT_SECONDS or self._queue.seconds() == waited:
                    break
            return wall - self._stopped - waited

    def since(self, start: float) -> float:
        """Seconds since `now` returned `start`, at least 0."""
        return max(0.0, self.now() - start)

    def in_use(self) -> bool:
        """Whether a thread reads the clock: the handler of a signal may have interrupted it, and must not wait."""
        return self._lock.locked()

    def _beat(self) -> float:
        wall, busy = perf_counter(), process_time()
        gap, worked = wall - self._wall, busy - self._busy
        if gap > STOPPED_SECONDS and worked < IDLE_SHARE * gap:
            self._stopped += max(0.0, gap - worked - self._queue.grown)
        self._wall, self._busy = wall, busy
        return wall

    def _keep_beating(self) -> None:
        while True:
            sleep(BEAT_SECONDS)
            with self._lock:
                self._queue.seconds()
                self._beat()


class _Queue(local):
    """How long a thread has waited for a processor; Linux counts it, elsewhere it is taken for 0.

    Attributes:
        waited: seconds since the thread began, when they were last read.
        grown: by how many seconds the last reading exceeded the one before.
        idle: seconds that had passed by then without the thread's computing; it can have waited since only if these
            have grown.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self.waited = self.grown = 0.0
        self.idle = -inf
        self._file = None
        with suppress(OSError):
            self._file = HeldFile("/proc/thread-self/schedstat")

    def seconds(self) -> float:
        """Seconds since the thread began, read."""
        if self._process != os.getpid():  # the file is still that of the parent's thread
            self.__init__()  # type: ignore[misc]
        if self._file is None:
            return self.waited
        self.idle = perf_counter() - thread_time()
        try:
            self._file.check()
            waited = int(os.pread(self._file.fileno(), 100, 0).split()[1]) / 1e9
        except (OSError, ValueError, IndexError):
            self._file, waited = None, self.waited
        self.grown, self.waited = waited - self.waited, waited
        return waited


CLOCK = Clock()
"""The process's clock."""

if hasattr(os, "register_at_fork"):  # the beat must not keep the lock in a fork, where it does not go on
    _lock = CLOCK._lock
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
