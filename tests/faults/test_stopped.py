"""A stopped process does not charge its solvers for the pause, and delays no end that the user asks for."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest
from gone import all_gone

from amb.run.isolation.descendants import descendants
from amb.study.journal import find_journals, read_journal
from amb.study.study import Study

SLEEPY = """
from time import sleep
from amb import Solver

class Sleepy(Solver):
    "Sleeps half a second before its only question."
    kinds = frozenset({"ordinal", "categorical"})

    def _ask(self, limit):
        open("asked", "w").close()
        sleep(0.5)
        return self.space.sample(limit, self.rng)

    def _tell(self, candidates, values):
        pass
"""
PAUSE = 4.0

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot stop a process")


def test_a_solver_does_not_pay_for_a_pause(tmp_path: Path) -> None:
    """Stopped while a solver thinks: it is charged far less than the pause, and its time is not over."""
    (tmp_path / "sleepy.py").write_text(SLEEPY)
    words = ["run", "--solvers", "sleepy", "--plugin", "sleepy.py", "--problems", "toy/snn-cnn/sn1/0", "--budget", "5"]
    process = subprocess.Popen(
        [sys.executable, "-m", "amb", *words, "--seeds", "1", "--study", "st", "--timeout", str(PAUSE - 1)],
        cwd=tmp_path, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        began, before = monotonic(), set()
        while monotonic() - began < 120 and process.poll() is None:
            asked = tmp_path / "asked"
            # The first question is the trial before any run; the second is the run's.
            if asked.exists():
                before.add(asked.stat().st_mtime_ns)
                if len(before) == 2:
                    break
            sleep(0.01)
        os.kill(process.pid, signal.SIGSTOP)
        sleep(PAUSE)
        os.kill(process.pid, signal.SIGCONT)
        assert process.wait(120) == 0
    finally:
        process.kill()
    ((record, _),) = Study(tmp_path / "st").records()
    assert len(before) == 2, json.dumps(sorted(before))
    assert record.status == "ok", record.message
    assert 0 <= record.solver_seconds < PAUSE / 2


def test_a_busy_solver_pays_for_all_of_its_time() -> None:
    """Code that keeps the interpreter to itself delays the beats, too, but the processor was busy."""
    from time import perf_counter, process_time

    from amb.clock import STOPPED_SECONDS, Clock

    clock = Clock()
    start, wall = clock.now(), perf_counter()
    clock._wall -= 3 * STOPPED_SECONDS  # as if the last beat was long ago ...
    clock._queue.idle -= 3 * STOPPED_SECONDS  # ... and this thread had not computed since ...
    clock._busy = process_time() - 2 * STOPPED_SECONDS  # ... although the processor worked
    passed = clock.now() - start
    assert passed <= perf_counter() - wall + 0.01
    clock._wall -= 3 * STOPPED_SECONDS
    clock._queue.idle -= 3 * STOPPED_SECONDS
    clock._busy = process_time()
    assert clock.now() - start < passed - 2 * STOPPED_SECONDS, "an idle gap is taken off"


def test_a_solver_does_not_pay_for_a_processor_that_others_have() -> None:
    """Two busy processes on one processor: the clock shows the thread's own half, not the wall's seconds."""
    if not hasattr(os, "sched_setaffinity") or not os.path.exists("/proc/thread-self/schedstat"):
        pytest.skip("this system does not say how long a thread waits for a processor")
    script = (
        "import os\n"
        "from time import monotonic, perf_counter, thread_time\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    end = monotonic() + 60\n"
        "    while monotonic() < end: pass\n"
        "    os._exit(0)\n"
        "from amb.clock import CLOCK\n"
        "start, wall, own = CLOCK.now(), perf_counter(), thread_time()\n"
        "while thread_time() - own < 0.5: pass\n"
        "passed, wall, own = CLOCK.since(start), perf_counter() - wall, thread_time() - own\n"
        "os.kill(child, 9)\n"
        "print(passed, wall, own)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    passed, wall, own = map(float, run.stdout.split())
    assert wall > 1.2 * own, "the other process took no time"
    assert passed < own + (wall - own) / 4


def test_short_waits_are_taken_off_once_they_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Linux counts is not read after a wait that is too short to matter, and is after some of them."""
    from amb import clock

    ticking = clock.Clock()
    if ticking._queue._file is None:
        pytest.skip("this system does not say how long a thread waits for a processor")
    ticking._thread = threading.current_thread()  # nothing beats meanwhile
    wall, reads = ticking._wall, []
    wait = 0.4 * clock.PROMPT_SECONDS

    def counted(*_: object) -> bytes:
        reads.append(len(shown))
        return f"0 {round(1e9 * wait * len(shown))} 0".encode()

    shown: list[float] = []
    monkeypatch.setattr(clock, "thread_time", lambda: 0.0)
    monkeypatch.setattr(clock, "perf_counter", lambda: wall + wait * len(shown))
    monkeypatch.setattr(clock.os, "pread", counted)
    for _ in range(9):
        shown.append(ticking.now())
    assert reads[0] == 0
    assert set(np.diff(sorted({*reads}))) == {3}
    assert max(shown) - shown[0] < clock.PROMPT_SECONDS


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how long a thread waits for a processor")
def test_where_system_calls_are_slow_the_clock_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under strace every call makes the thread wait, so that no reading is prompt and none equals the one before."""
    from amb import clock

    ticking = clock.Clock()
    if ticking._queue._file is None:
        pytest.skip("this system does not say how long a thread waits for a processor")
    waits = 0

    def stopped_by_a_tracer(*_: object) -> bytes:
        nonlocal waits
        waits += 1
        assert waits < 1000, "the clock waits for a prompt reading that never comes"
        sleep(2 * clock.PROMPT_SECONDS)
        return f"0 {waits * 1000} 0".encode()

    monkeypatch.setattr(clock.os, "pread", stopped_by_a_tracer)
    start = ticking.now()
    sleep(0.01)
    assert ticking.since(start) > 0


def test_a_forked_process_pays_for_its_idle_time() -> None:
    """A fork has no threads but its own: its clock beats again, else short waits would add up to a stop."""
    if not hasattr(os, "fork"):
        pytest.skip("this system does not fork")
    script = (
        "import os\n"
        "from time import perf_counter, sleep\n"
        "from amb.clock import CLOCK\n"
        "CLOCK.now()\n"
        "child = os.fork()\n"
        "if child: os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "start, wall = CLOCK.now(), perf_counter()\n"
        "while perf_counter() - wall < 2.5:\n"
        "    sleep(0.25)\n"
        "    CLOCK.now()\n"
        "os._exit(0 if CLOCK.since(start) > 2 else 1)\n"
    )
    subprocess.run([sys.executable, "-c", script], timeout=120, check=True)


STEPS = """
import os, time
import numpy as np
from amb import Family, FunctionProblem, Solver, Space

class Steps(Family):
    name = "steps/steps"

    def layers(self):
        return {"a": 40}

    def problem(self, layer, unit, *, device="cpu", **options):
        def respond(rows):
            open(f"measuring/{os.getpid()}", "w").close()
            time.sleep(0.05)
            return np.sin(rows).mean(axis=1)

        made = FunctionProblem(respond, Space.uniform(6, 16), id=f"{self.name}/{layer}/{unit}")
        made.threaded = True
        return made

class Asks(Solver):
    "Asks for one candidate at a time, and says which process it is in."
    forked = True

    def _ask(self, limit):
        open(f"thinking/{os.getpid()}", "w").close()
        return self.space.sample(1, self.rng)
"""


@pytest.mark.parametrize(
    ("words", "folder", "late"),
    [
        (["-p", "steps/steps/a/0..19"], "measuring", False),
        (["-p", "steps/steps/a/0..19"], "measuring", True),
        (["-p", "steps/steps/a/0..1", "--isolate"], "thinking", False),
    ],
    ids=["forked", "forked, stopped late", "isolated"],
)
def test_one_sigterm_ends_a_command_with_a_stopped_process(
    tmp_path: Path, words: list[str], folder: str, late: bool
) -> None:
    """It waited for the stopped process's batch for ever."""
    if not os.path.exists("/proc/self/stat") or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this system does not fork onto a second processor")
    (tmp_path / "steps.py").write_text(STEPS)
    for name in ("measuring", "thinking"):
        (tmp_path / name).mkdir()
    command = [sys.executable, "-m", "amb", "run", "-s", "asks", "-b", "10000", "--seeds", "1", "--study", "st"]
    process = subprocess.Popen(
        [*command, "--plugin", "steps.py", *words],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip

    def workers() -> list[int]:
        return [pid for pid in descendants(process.pid) if (tmp_path / folder / str(pid)).exists()]

    def observed() -> int:
        contents = [read_journal(path) for path in find_journals(tmp_path / "st" / "journal")]
        return sum(len(content.known.trace) for content in contents if content)

    try:
        end = monotonic() + 120
        while (len(workers()) < 2 or not observed()) and monotonic() < end:
            sleep(0.05)
        children = descendants(process.pid)
        stopped = workers()[0]
        before = observed()
        if not late:
            os.kill(stopped, signal.SIGSTOP)
        process.send_signal(signal.SIGTERM)
        if late:
            os.kill(stopped, signal.SIGSTOP)
        told = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGTERM, told
    assert "keeps 0 finished runs" in " ".join(told.split())
    assert all_gone(children)
    assert observed() >= before > 0
