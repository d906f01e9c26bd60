"""What a second processor saves: README's comparison on one thread, with overlap and with forks, in turn in one run.

A ratio of wall times means something only while nothing else wants the processors. The share of time in which two or
more threads of the process and its forks could run (they run, or wait for a processor) depends less on others.
"""

import os
import threading
from collections import Counter
from pathlib import Path
from time import perf_counter, sleep

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from amb.run.execute import execute
from amb.run.isolation.descendants import children
from amb.run.plan import Plan, make_plan
from amb.study.study import Study

pytestmark = [
    pytest.mark.benchmark_ratio,
    pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one processor has nothing to overlap"),
    pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="this system does not show its threads as files"),
]
ASKED = {"solvers": "protes,tt-b,portfolio", "problems": "quick", "budget": 100, "seeds": 2}


class Busy(threading.Thread):
    """Counts, a hundred times a second, how many other threads of this process and its children could run."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.counts: Counter[int] = Counter()
        self.stopped = threading.Event()

    def run(self) -> None:
        own = str(threading.get_native_id())
        while not self.stopped.is_set():
            threads = [thread for pid in (os.getpid(), *children(os.getpid())) for thread in _threads(pid)]
            self.counts[sum(_runnable(thread) for thread in threads if thread.name != own)] += 1
            sleep(0.01)

    def share(self, processors: int) -> float:
        """The share of this many processors that the threads could have kept busy."""
        used = sum(min(threads, processors) * number for threads, number in self.counts.items())
        return used / processors / self.counts.total()


def _threads(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _runnable(thread: Path) -> bool:
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0] == "R"
    except OSError:
        return False


def measured(plan: Plan, folder: Path, *, overlap: bool = False, processes: int = 1) -> tuple[float, float]:
    """Wall seconds of a study, and the share of two processors that it could have kept busy."""
    busy = Busy()
    busy.start()
    start = perf_counter()
    execute(plan.runs, Study(folder), plan.problem, find_solver=plan.solver, overlap=overlap, processes=processes)
    passed = perf_counter() - start
    busy.stopped.set()
    busy.join()
    return passed, busy.share(2)


def test_forks_keep_two_processors_busy(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    plan = make_plan(**ASKED)  # type: ignore[arg-type]
    measured(make_plan(**(ASKED | {"budget": 2})), tmp_path / "warm", overlap=True)  # type: ignore[arg-type]
    overlapped, forked = [], []
    for turn in range(2):
        overlapped.append(measured(plan, tmp_path / f"overlapped {turn}", overlap=True))
        forked.append(measured(plan, tmp_path / f"forked {turn}", processes=2))
    benchmark.pedantic(lambda: None, rounds=1)
    times = min(seconds for seconds, _ in overlapped) / min(seconds for seconds, _ in forked)
    shares = [max(share for _, share in column) for column in (overlapped, forked)]
    benchmark.extra_info.update({"times": round(times, 2), "overlap": f"{shares[0]:.0%}", "forks": f"{shares[1]:.0%}"})
    assert shares[1] > max(0.85, shares[0])


def test_solvers_think_while_the_network_computes(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    plan = make_plan(**ASKED)  # type: ignore[arg-type]
    measured(make_plan(**(ASKED | {"budget": 2})), tmp_path / "warm", overlap=True)  # type: ignore[arg-type]
    apart, together = [], []
    for turn in range(3):
        apart.append(measured(plan, tmp_path / f"apart {turn}", overlap=False))
        together.append(measured(plan, tmp_path / f"together {turn}", overlap=True))
    benchmark.pedantic(lambda: None, rounds=1)
    times = min(seconds for seconds, _ in apart) / min(seconds for seconds, _ in together)
    shares = [max(share for _, share in column) for column in (apart, together)]
    benchmark.extra_info.update({"times": round(times, 2), "apart": f"{shares[0]:.0%}", "together": f"{shares[1]:.0%}"})
    assert shares[1] > shares[0] + 0.05
