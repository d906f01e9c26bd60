"""Several processors work on a study, and nobody can tell it from the traces; whatever ends a fork loses nothing."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from gone import all_gone, within
from stored_traces import stored_traces

from amb import FunctionProblem, Space
from amb.catalogue.solvers import SolverSpec, resolve
from amb.clock import CLOCK
from amb.contracts.noise import Noise
from amb.errors import StudyError
from amb.run import forks
from amb.run.execute import execute
from amb.run.isolation.descendants import children
from amb.run.progress import NoProgress
from amb.study.runs import RunPlan
from amb.study.study import Study

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")

SPACE = Space.uniform(6, 16)
SOLVERS = ("climber", "climber[batch=7]", "random", "random[draw=prior,k=5]", "crasher", "tt-s[k=9]")
PLANS = [
    RunPlan(f"p/q/r/{unit}", "print", solver, "1", seed, 40)
    for unit in range(4)
    for solver in SOLVERS
    for seed in (0, 1)
]
Measure = Callable[[np.ndarray], None]


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch, toy: Path) -> None:
    """Fork for any number of runs and queries."""
    monkeypatch.setattr(forks, "FEWEST_QUERIES", 1)
    monkeypatch.setattr(forks, "FEWEST_RUNS", 1)


@pytest.fixture
def others() -> set[int]:
    """Child processes that other tests of this process have started and keep."""
    return {*children(os.getpid())}


def problems(folder: Path, measure: Measure = lambda rows: None, *, threaded: bool = True) -> Callable:  # type: ignore[type-arg]
    """Problems with noise that note the process which measures; some candidates of unit 2 cannot be measured."""
    folder.mkdir(exist_ok=True)

    def make(spec: str) -> FunctionProblem:
        unit = int(spec[-1])

        def respond(rows: np.ndarray) -> np.ndarray:
            (folder / str(os.getpid())).touch()
            measure(rows)
            if unit == 2 and (rows.sum(axis=1) % 41 == 0).any():
                raise ValueError("the animal moved")
            return np.abs(np.sin(rows + unit)).mean(axis=1)

        problem = FunctionProblem(respond, SPACE, id=spec)
        problem.threaded, problem.noise = threaded, Noise("poisson", spikes=50)
        return problem

    return make


def forked(spec: str, **attributes: object) -> SolverSpec:
    found = resolve(spec)
    return SolverSpec(found.spec, type(found.cls.__name__, (found.cls,), {"forked": True, **attributes}), found.plugin)


def pids(folder: Path) -> set[int]:
    return {int(path.name) for path in folder.iterdir()}


@pytest.fixture
def expected(tmp_path: Path) -> dict[str, tuple]:  # type: ignore[type-arg]
    study = Study(tmp_path / "expected")
    execute(PLANS, study, problems(tmp_path / "one"), find_solver=forked)
    assert pids(tmp_path / "one") == {os.getpid()}
    return stored_traces(study)


class Counted(NoProgress):
    """Counts the ends of runs, keeps notes, and may do something at each update."""

    def __init__(self, at_update: Callable[[], None] = lambda: None) -> None:
        self.ends: list[str] = []
        self.notes: list[str] = []
        self.at_update = at_update

    def update(self, runs: Sequence[object]) -> None:
        self.at_update()

    def finished(self, run: object, record) -> None:  # type: ignore[no-untyped-def]
        self.ends.append(record.plan.run_id)

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.mark.parametrize("number", [2, 3])
def test_traces_do_not_depend_on_the_number_of_processes(  # type: ignore[type-arg]
    tmp_path: Path, expected: dict, number: int, others: set[int]
) -> None:
    study, seen = Study(tmp_path / "forked"), Counted()
    execute(PLANS, study, problems(tmp_path / "two"), find_solver=forked, processes=number, progress=seen)
    assert stored_traces(study) == expected
    assert len(pids(tmp_path / "two")) == number
    assert os.getpid() not in pids(tmp_path / "two")
    assert sorted(seen.ends) == sorted(plan.run_id for plan in PLANS)  # each is reported once
    assert {*children(os.getpid())} <= others


def test_what_a_fork_reports_just_before_it_ends_is_not_lost(  # type: ignore[type-arg]
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reports and its end may both come after nothing was ready."""
    begun, ready, wait = [], forks.wait, os.waitid

    def stale(pipes: list[object], seconds: float) -> list[object]:
        if begun:
            return ready(pipes, seconds)  # type: ignore[arg-type,return-value]
        begun.extend({*children(os.getpid())} - before)
        for process in begun:
            wait(os.P_PID, process, os.WEXITED | os.WNOWAIT)
        return []

    before = {*children(os.getpid())}
    monkeypatch.setattr(forks, "wait", stale)
    study, seen = Study(tmp_path / "forked"), Counted()
    few = PLANS[:16]
    execute(few, study, problems(tmp_path / "two"), find_solver=forked, processes=2, progress=seen)
    assert len(begun) == 2
    assert sorted(seen.ends) == sorted(plan.run_id for plan in few)


@pytest.mark.parametrize(
    ("die", "says"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was killed by SIGKILL"),
        (lambda: os.kill(os.getpid(), signal.SIGRTMIN + 6), f"was killed by signal {signal.SIGRTMIN + 6}"),
        (lambda: os._exit(3), "exited with status 3"),
    ],
)
def test_a_dead_fork_s_runs_are_continued_here(
    tmp_path: Path,
    expected: dict[str, tuple],
    die: Callable[[], None],
    says: str,  # type: ignore[type-arg]
) -> None:
    """Nothing is lost or repeated, and a line says what happened."""
    dies = tmp_path / "dies"
    dies.touch()
    here = os.getpid()

    def measure(rows: np.ndarray) -> None:
        if os.getpid() != here and dies.exists() and len(list((tmp_path / "study" / "runs").iterdir())) > 3:
            dies.unlink(missing_ok=True)
            die()

    study, seen = Study(tmp_path / "study"), Counted()
    execute(PLANS, study, problems(tmp_path / "pids", measure), find_solver=forked, processes=2, progress=seen)
    assert stored_traces(study) == expected
    assert not dies.exists()
    assert here in pids(tmp_path / "pids")
    assert [note for note in seen.notes if f"a process ended early (it {says}); this one continues" in note]
    assert sorted(seen.ends) == sorted(plan.run_id for plan in PLANS)


def test_an_error_of_a_fork_is_raised_here(tmp_path: Path, others: set[int]) -> None:
    """A full disk ends the study as it does without forks."""

    class Full(Study):
        def save(self, record, trace) -> None:  # type: ignore[no-untyped-def]
            raise StudyError("no space left on device")

    with pytest.raises(StudyError, match="no space left"):
        execute(PLANS, Full(tmp_path / "study"), problems(tmp_path / "pids"), find_solver=forked, processes=2)
    assert {*children(os.getpid())} <= others


def test_ctrl_c_ends_all_forks_and_keeps_what_was_observed(  # type: ignore[type-arg]
    tmp_path: Path, expected: dict, others: set[int]
) -> None:
    measured = tmp_path / "measured"

    def measure(rows: np.ndarray) -> None:
        time.sleep(0.02)
        with measured.open("a") as file:
            file.write("." * len(rows))

    some = [plan for plan in PLANS if "crasher" not in plan.solver and not plan.problem.endswith("2")]
    study = Study(tmp_path / "study")
    asked = threading.Event()

    def interrupt() -> None:
        if measured.exists() and not asked.is_set():
            asked.set()
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        execute(
            some,
            study,
            problems(tmp_path / "pids", measure),
            find_solver=forked,
            processes=2,
            progress=Counted(interrupt),
        )
    assert {*children(os.getpid())} <= others
    assert 0 < measured.stat().st_size < 40 * len(some)
    execute(some, study, problems(tmp_path / "pids", measure), find_solver=forked, processes=2)
    assert stored_traces(study) == {plan.run_id: expected[plan.run_id] for plan in some}
    assert measured.stat().st_size == 40 * len(some)
    assert not list((tmp_path / "study" / "journal").iterdir())


def test_failed_runs_are_retried_once(tmp_path: Path) -> None:
    study = Study(tmp_path / "study")
    execute(PLANS, study, problems(tmp_path / "pids"), find_solver=forked, processes=2)
    failed = sum(record.failed for record, _ in study.records())
    seen = Counted()
    execute(PLANS, study, problems(tmp_path / "pids"), find_solver=forked, processes=2, progress=seen, retry=True)
    assert failed
    assert len(seen.ends) == failed


@pytest.mark.parametrize("why", ["solver", "sees", "problem", "timing"])
def test_what_must_not_be_forked_stays_here(tmp_path: Path, why: str) -> None:
    """Solvers that do not say that they may be, or see the network; problems that need this process; wall times."""
    attributes: dict[str, object] = {"solver": {"forked": False}, "sees": {"sees": "images"}}.get(why, {})  # type: ignore[assignment]
    if why == "sees":
        attributes["look"] = lambda self, view: None
    made = problems(tmp_path / "pids", threaded=why != "problem")
    some = [plan for plan in PLANS if plan.solver == "random"]
    execute(
        some,
        Study(tmp_path / "study"),
        made,
        find_solver=lambda spec: forked(spec, **attributes),
        processes=2,
        timing=why == "timing",
    )
    assert pids(tmp_path / "pids") <= {os.getpid()}
    assert len(stored_traces(Study(tmp_path / "study"))) == len(some)


KILLED = """
import os, sys, time
from pathlib import Path
import numpy as np
from amb import FunctionProblem, Space
from amb.catalogue.solvers import resolve
from amb.run import forks
from amb.run.execute import execute
from amb.study.runs import RunPlan
from amb.study.study import Study

folder = Path(sys.argv[1])
forks.FEWEST_QUERIES = forks.FEWEST_RUNS = 1

def problem(spec):
    def respond(rows):
        (folder / "pids" / str(os.getpid())).touch()
        time.sleep(0.05)
        return np.sin(rows).mean(axis=1)
    made = FunctionProblem(respond, Space.uniform(6, 16), id=spec)
    made.threaded = True
    return made

plans = [RunPlan(f"p/q/r/{unit}", "print", "annealing", "1", 0, 5000) for unit in range(4)]
execute(plans, Study(folder / "study"), problem, processes=2)
"""


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_no_fork_outlives_a_killed_program(tmp_path: Path, name: str) -> None:
    (tmp_path / "pids").mkdir()
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stderr=subprocess.DEVNULL)
    try:
        assert within(60, lambda: len(pids(tmp_path / "pids")) == 2)
        process.send_signal(signal.Signals[name])
        process.wait(60)
        assert all_gone(pids(tmp_path / "pids"))
    finally:
        process.kill()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_reads_the_clock_whatever_other_threads_did() -> None:
    """Its lock is free in a fork, also if another thread held it at that moment."""
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            with CLOCK._lock:
                time.sleep(1e-3)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(20):
            if (pid := os.fork()) == 0:
                signal.alarm(20)
                CLOCK.now()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
    finally:
        done.set()
        reader.join()
