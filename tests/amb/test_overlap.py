"""Solvers think while the network computes, and nobody can tell it from the traces."""

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from stored_traces import stored_traces

from amb import FunctionProblem, Space
from amb.catalogue.plugins import load_file
from amb.catalogue.solvers import SolverSpec, resolve
from amb.contracts.noise import Noise
from amb.contracts.problem import Evaluation, Problem
from amb.errors import StudyError
from amb.run import execute as executing
from amb.run.execute import execute
from amb.run.progress import NoProgress
from amb.study.runs import RunPlan
from amb.study.study import Study

TOY = Path(__file__).parents[1] / "plugins" / "toy.py"
SPACE = Space.uniform(6, 16)
SOLVERS = ("climber", "climber[batch=7]", "random", "random[draw=prior,k=5]", "crasher", "tt-s[k=9]")


class Lab:
    """Threaded problems with noise; some candidates of unit 2 cannot be measured.

    Attributes:
        measured: the number of candidates evaluated.
        clashes: how often two threads used the network at once.
        threads: the threads that evaluated batches of several runs.
    """

    def __init__(self) -> None:
        self.measured = self.clashes = 0
        self.threads: set[str] = set()
        self._busy = threading.Lock()

    def use(self, candidates: np.ndarray, unit: int) -> np.ndarray:
        if not self._busy.acquire(blocking=False):
            self.clashes += 1
            return np.zeros(len(candidates))
        try:
            threading.Event().wait(1e-4)  # lets go of the interpreter, as compiled code does
            if unit == 2 and (candidates.sum(axis=1) % 41 == 0).any():
                raise ValueError("the animal moved")
            self.measured += len(candidates)
            return np.abs(np.sin(candidates + unit)).mean(axis=1)
        finally:
            self._busy.release()

    def __call__(self, spec: str) -> "Threaded":
        return Threaded(self, spec)


class Threaded(FunctionProblem):
    threaded = True
    group = "one network"
    noise = Noise("poisson", spikes=50)

    def __init__(self, lab: Lab, spec: str) -> None:
        unit = int(spec.split("/")[-1])
        super().__init__(lambda rows: lab.use(rows, unit), SPACE, id=spec)
        self.lab = lab

    def warm_up(self) -> None:
        self.lab.use(np.ones((0, SPACE.d)), 0)

    @classmethod
    def evaluate_together(cls, problems: Sequence[Problem], batches: Sequence[np.ndarray]) -> Evaluation:
        problems[0].lab.threads.add(threading.current_thread().name)  # type: ignore[attr-defined]
        return super().evaluate_together(problems, batches)


def as_own(spec: str) -> SolverSpec:
    """A solver as if it were one of amb's own, which may think meanwhile."""
    found = resolve(spec)
    return SolverSpec(found.spec, found.cls, resolve("random").plugin)


def plans(solvers: Sequence[str] = SOLVERS, *, budget: int = 60) -> list[RunPlan]:
    units = [f"p/q/r/{unit}" for unit in range(4)]
    return [
        RunPlan(unit, "print", solver, "1", seed, budget) for unit in units for solver in solvers for seed in (0, 1)
    ]


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple]:
    load_file(TOY)
    study = Study(tmp_path_factory.mktemp("one by one"))
    execute(plans(), study, Lab(), overlap=False)
    return stored_traces(study)


@pytest.mark.parametrize("crowd", [1, 2, 7, 48, 128])
def test_traces_do_not_depend_on_the_overlap(
    tmp_path: Path, one_by_one: dict[str, tuple], crowd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under noise, with solvers that fail and candidates that cannot be measured, for any number of runs at a time."""
    monkeypatch.setattr(executing, "CROWD", crowd)
    lab, study = Lab(), Study(tmp_path / "overlapped")
    execute(plans(), study, lab, find_solver=as_own)
    assert stored_traces(study) == one_by_one
    statuses = {ending[0] for ending in one_by_one.values()}
    assert statuses == {"ok", "crash"}
    assert not lab.clashes
    assert ("amb-evaluation" in lab.threads) == (crowd > 1)


@pytest.mark.parametrize("after", [1, 2, 7, 20])
def test_an_interruption_keeps_what_was_evaluated(
    tmp_path: Path, one_by_one: dict[str, tuple], after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C both halves' batches are kept, and a resume measures nothing again."""
    monkeypatch.setattr(executing, "CROWD", 10)
    lab, study = Lab(), Study(tmp_path / "interrupted")

    class Impatient(NoProgress):
        updates = 0

        def update(self, runs) -> None:  # type: ignore[no-untyped-def]
            self.updates += 1
            if self.updates == after:
                signal.raise_signal(signal.SIGINT)

    some = plans(tuple(solver for solver in SOLVERS if solver != "crasher"))
    healthy = [plan for plan in some if not plan.problem.endswith("/2")]
    with pytest.raises(KeyboardInterrupt):
        execute(healthy, study, lab, find_solver=as_own, progress=Impatient())
    assert 0 < lab.measured < 60 * len(healthy)
    execute(healthy, Study(tmp_path / "interrupted"), lab)
    assert lab.measured == 60 * len(healthy)
    expected = {plan.run_id: one_by_one[plan.run_id] for plan in healthy}
    assert stored_traces(study) == expected
    assert not list((tmp_path / "interrupted" / "journal").iterdir())


def test_a_solver_is_asked_while_another_runs_candidates_are_evaluated(tmp_path: Path, toy: Path) -> None:
    """Each evaluation waits until a solver has been asked meanwhile; without overlap none would be."""
    asked, met = threading.Event(), []

    class Waiting(Threaded):
        @classmethod
        def evaluate_together(cls, problems: Sequence[Problem], batches: Sequence[np.ndarray]) -> Evaluation:
            met.append(asked.wait(20) if len(met) < 3 else True)
            asked.clear()
            return super().evaluate_together(problems, batches)

    class Telling(resolve("random").cls):  # type: ignore[name-defined,misc]
        def _ask(self, limit: int) -> np.ndarray:
            asked.set()
            return super()._ask(limit)

    def find(spec: str) -> SolverSpec:
        found = resolve(spec)
        return SolverSpec(found.spec, Telling, found.plugin)

    lab = Lab()
    execute(plans(("random",), budget=90)[:2], Study(tmp_path), lambda spec: Waiting(lab, spec), find_solver=find)
    assert len(met) >= 3
    assert all(met)


def test_nothing_overlaps_where_one_run_at_a_time_is_asked_for(tmp_path: Path, toy: Path) -> None:
    lab = Lab()
    execute(plans(("random",))[:3], Study(tmp_path), lab, timing=True)
    assert lab.threads == {"MainThread"}


def test_a_solver_that_sees_more_than_values_has_the_network_to_itself(tmp_path: Path, toy: Path) -> None:
    """It may use the generator, or the network, whenever it is asked."""
    seeing = type("Seeing", (resolve("random").cls,), {"sees": "images", "look": lambda self, view: None})

    def find(spec: str) -> SolverSpec:
        found = resolve(spec)
        return SolverSpec(found.spec, seeing if spec == "random" else found.cls, found.plugin)

    lab = Lab()
    execute(plans(("random", "random[k=2]")), Study(tmp_path), lab, find_solver=find)
    assert lab.threads == {"MainThread"}


def test_a_solver_of_others_never_thinks_while_a_network_is_evaluated(tmp_path: Path, toy: Path) -> None:
    """What it sets for a moment for all calls of torch, oneDNN or a precision, changed values of all runs."""
    lab = Lab()
    execute(plans(("random", "climber")), Study(tmp_path), lab)
    assert lab.threads == {"MainThread"}


def test_an_unseen_recommendation_is_scored_after_the_batch_that_is_evaluated(tmp_path: Path, toy: Path) -> None:
    """The network is never used by two threads at once, and the score is that of a quiet network."""

    class Stubborn(resolve("random").cls):  # type: ignore[name-defined,misc]
        def recommend(self) -> np.ndarray:
            return np.full(SPACE.d, 3)

    def find(spec: str) -> SolverSpec:
        found = resolve(spec)
        return SolverSpec(found.spec, Stubborn, found.plugin)

    lab, study = Lab(), Study(tmp_path)
    # Different budgets: runs end while others are evaluated.
    some = [plan for budget in (5, 11, 20) for plan in plans(("random[k=2]",), budget=budget) if plan.seed == 0][:12]
    some = [RunPlan(p.problem, "print", p.solver, "1", seed, p.budget) for seed, p in enumerate(some)]
    execute(some, study, lab, find_solver=find)
    assert not lab.clashes
    for record, _ in study.records():
        if record.status == "ok":
            unit = int(record.plan.problem[-1])
            assert record.final == np.abs(np.sin(np.full(SPACE.d, 3) + unit)).mean()


def test_a_full_disk_ends_the_study_in_order(tmp_path: Path, toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread has ended, every journal is closed, and the interpreter switches threads as before."""
    before = sys.getswitchinterval()

    class Full(NoProgress):
        def update(self, runs) -> None:  # type: ignore[no-untyped-def]
            raise StudyError("no space left on device")

    lab, study = Lab(), Study(tmp_path)
    with pytest.raises(StudyError):
        execute(plans(("random",)), study, lab, progress=Full())
    assert sys.getswitchinterval() == before
    assert not [thread for thread in threading.enumerate() if thread.name == "amb-evaluation"]
    execute(plans(("random",)), study, lab)
    assert len(stored_traces(study)) == len(plans(("random",)))
