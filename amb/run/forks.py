"""Processes forked from this one, which execute runs of the same study at the same time, each on one processor.

Solvers in Python keep the interpreter to themselves while they think, so one process cannot use two processors. A fork
has the solvers and networks that were loaded here, claims its runs like any other process, and reports through a pipe.
A run's own file is the truth: when a fork ends early, however it ends, this process resumes its runs from their
journals, and meets the same error if there is one.
"""

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from time import monotonic, sleep

from amb.foreign import in_a_line
from amb.interruption import how_ended
from amb.run.isolation.control import end_with_parent
from amb.run.isolation.descendants import wake_descendants
from amb.run.progress import NoProgress, RemoteRun, UnderWay
from amb.run.stop import Stop
from amb.run.watch import Watch
from amb.study.log import Level, StudyLog
from amb.study.runs import RunPlan, RunRecord
from amb.text import plural

# Below this number of queries a study is over before a second process pays.
FEWEST_QUERIES = 2_000
# Runs of each process: with fewer, the network's batches become small. And the most processes, whose memories add up.
FEWEST_RUNS = 8
MOST = 8
REPORT_SECONDS = 0.2
# How long a fork that has said everything may take to end.
PATIENCE_SECONDS = 2.0


def processors() -> int:
    """Processors that this process may use at the same time by forking; 1 where it should not fork.

    On macOS, libraries of the system do not survive a fork; a signal reaches only the main thread.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return 1
    return min(MOST, len(os.sched_getaffinity(0)))


def shares(plans: Sequence[RunPlan], processes: int) -> list[Sequence[RunPlan]]:
    """The runs of each process, every solver's among all of them; one share if more do not pay."""
    if sum(plan.budget for plan in plans) < FEWEST_QUERIES:
        return [plans]
    number = max(1, min(processes, len(plans) // FEWEST_RUNS))
    return [plans[first::number] for first in range(number)]


class Asked(Stop):
    """In a fork: the process that it was forked from may ask it to stop, too, and does so when it dies."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        super().__init__(lambda _: None)  # the other process tells the user

    @property
    def requested(self) -> bool:
        """Whether to finish the batch under way and stop."""
        return self._requested or self._pipe.poll()

    @requested.setter
    def requested(self, value: bool) -> None:
        self._requested = value


class Reports(Watch):
    """In a fork: passes all events on to the process that it was forked from."""

    def __init__(self, pipe: Connection, log: StudyLog) -> None:
        super().__init__(NoProgress(), log)
        self._pipe = pipe
        self._sent = monotonic()

    def begin(self, planned: int, waiting: Sequence[RunPlan]) -> None:
        """Known there."""

    def update(self, runs: Sequence[UnderWay]) -> None:
        """A few times a second."""
        if monotonic() - self._sent < REPORT_SECONDS:
            return
        self._sent = monotonic()
        self._pipe.send(("update", [RemoteRun.of(run) for run in runs]))

    def finished(self, run: UnderWay, record: RunRecord) -> None:
        """At once: what was reported is not executed again."""
        self._pipe.send(("finished", RemoteRun.of(run), record))

    def skipped(self, record: RunRecord) -> None:
        """At once."""
        self._pipe.send(("skipped", record))

    def note(self, message: str, *, level: Level = "warning", event: str = "note", **fields: object) -> None:
        """At once."""
        self._pipe.send(("note", message, {"level": level, "event": event, **fields}))

    def end(self) -> None:
        """Known there, when all forks have ended."""


Work = Callable[[Sequence[RunPlan], Reports, Stop], None]
"""What a fork does with its share."""


class _Fork:
    """A forked process, seen from the one that it was forked from.

    Attributes:
        pipe: what it reports comes from here.
        ended: ids of its runs that have ended; `left`, the number of the others.
        under_way: its runs under way, by run id.
        why: why it ended before all its runs did.
    """

    def __init__(self, plans: Sequence[RunPlan], work: Work, log: StudyLog) -> None:
        self.ended: set[str] = set()
        self._runs = len(plans)
        self.under_way: dict[str, RemoteRun] = {}
        self.why = ""
        self._status: int | None = None
        self.pipe, there = Pipe()
        _flush()  # or both processes print what waits there
        parent = os.getpid()
        with warnings.catch_warnings():  # of threads, which a fork does not have: see `Solver.forked`
            warnings.simplefilter("ignore")
            self._pid = os.fork()
        if self._pid == 0:
            _live(parent, there, plans, work, log)
        there.close()

    @property
    def left(self) -> int:
        return self._runs - len(self.ended)

    def ask_to_stop(self) -> None:
        """Let it finish the batch under way, and end."""
        with suppress(OSError):
            self.pipe.send("stop")

    def receive(self, watch: Watch) -> bool:
        """Pass one of its reports on; False if there is none any more."""
        try:
            event, *content = self.pipe.recv()
        except (EOFError, OSError):
            return False
        if event == "update":
            self.under_way = {run.plan.run_id: run for run in content[0]}
        elif event == "note":
            watch.note(content[0], **content[1])
        elif event == "failed":
            self.why = content[0]
        else:
            record: RunRecord = content[-1]
            self.ended.add(record.plan.run_id)
            self.under_way.pop(record.plan.run_id, None)
            if event == "finished":
                watch.finished(*content)
            else:
                watch.skipped(record)
        return True

    def receive_all(self, watch: Watch) -> None:
        """Pass on what it has reported before it ended."""
        with suppress(OSError):
            while self.pipe.poll() and self.receive(watch):
                pass

    def lives(self) -> bool:
        """Whether it has not ended yet."""
        if self._status is None:
            try:
                ended, status = os.waitpid(self._pid, os.WNOHANG)
            except ChildProcessError:  # a plug-in waits for all processes
                ended, status = self._pid, 0
            if ended:
                self._status = status
                if status:
                    self.why = f"it {how_ended(os.waitstatus_to_exitcode(status))}"
        return self._status is None

    def end(self, patience: float = 0.0) -> None:
        """Wait until it has ended; kill it when this many seconds have passed. Idempotent."""
        end = monotonic() + patience
        while self.lives():
            if monotonic() >= end:
                with suppress(OSError):
                    os.kill(self._pid, signal.SIGKILL)
            sleep(0.002)
        self.pipe.close()


def _live(parent: int, pipe: Connection, plans: Sequence[RunPlan], work: Work, log: StudyLog) -> None:
    """The life of a fork; never returns."""
    try:
        end_with_parent()
        if os.getppid() == parent:
            with Asked(pipe) as stop:
                work(plans, Reports(pipe, log), stop)
    except BaseException as cause:  # the other process meets it again when it executes what is left
        with suppress(BaseException):
            pipe.send(("failed", in_a_line(cause)))
    finally:
        _flush()
        os._exit(0)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()


def carry_out(divided: Sequence[Sequence[RunPlan]], work: Work, watch: Watch, log: StudyLog, stop: Stop) -> set[str]:
    """Fork a process for each share, and pass on what they report until all have ended.

    Returns:
        Ids of the runs that have ended. Of the others, the process ended early, or another program has them.
    """
    forks: list[_Fork] = []
    try:
        try:
            for plans in divided:
                forks.append(_Fork(plans, work, log))
        except OSError as cause:
            watch.note(f"fewer processes than processors: {cause.strerror or cause}", event="no process")
        alive, asked = {fork.pipe: fork for fork in forks}, False
        while alive:
            if stop.requested and not asked:
                asked = True
                for fork in alive.values():
                    fork.ask_to_stop()
            if asked:
                wake_descendants()  # of those that were stopped since the user asked
            ready = wait(list(alive), REPORT_SECONDS)
            for pipe, fork in list(alive.items()):
                if pipe in ready:
                    ended = not fork.receive(watch)
                elif ended := not fork.lives():  # a process that a solver has started may keep its pipe open
                    fork.receive_all(watch)  # since nothing was ready
                if ended:
                    del alive[pipe]
                    fork.end(PATIENCE_SECONDS)
            watch.update([run for fork in alive.values() for run in fork.under_way.values()])
    finally:
        for fork in forks:
            fork.end()
    for fork in forks:
        if fork.left and fork.why and not stop.requested:
            watch.note(
                f"a process ended early ({fork.why}); this one continues {plural(fork.left, 'run')}",
                event="process ended",
            )
    return {name for fork in forks for name in fork.ended}
