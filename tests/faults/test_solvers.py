"""Whatever a solver does, only its own run ends, with a status and a reason; other runs are not affected."""

import cProfile
import gc
import os
import pstats
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from time import sleep

import numpy as np
import pytest
import torch
from gone import all_gone, is_alive, within

from amb import FunctionProblem, Solver, Space, compare
from amb.catalogue.plugins import load_file
from amb.catalogue.solvers import resolve
from amb.contracts.problem import Evaluation, Problem
from amb.errors import AmbError, SpecError
from amb.run.execute import execute
from amb.run.isolation.solver import IsolatedSolver, NoProcess, isolated
from amb.run.limits import Limits
from amb.run.plan import make_plan
from amb.study.runs import RunPlan, RunRecord
from amb.study.study import Study

SPACE = Space.uniform(6, 16)
ROGUES = Path(__file__).parents[1] / "plugins" / "rogues.py"
GOOD = RunPlan("p/q/r/0", "print", "random[k=5]", "1", 0, 60)


@pytest.fixture(autouse=True)
def rogues() -> None:
    load_file(ROGUES)


def problem(spec: str) -> FunctionProblem:
    return FunctionProblem(lambda rows: np.sin(rows).mean(axis=1), SPACE, id=spec)


def run(folder: Path, solver: str, **limits: object) -> RunRecord:
    """The record of a bad solver's run; a good one in the same study ends as it would alone."""
    bad = RunPlan("p/q/r/0", "print", solver, "1", 0, 60)
    crowd, alone = Study(folder / "crowd"), Study(folder / "alone")
    execute([GOOD, bad], crowd, problem, limits=Limits(**limits))  # type: ignore[arg-type]
    execute([GOOD], alone, problem)
    one, other = crowd.load(GOOD), alone.load(GOOD)
    assert one is not None
    assert other is not None
    assert one[0].status == "ok"
    assert one[1].values.tobytes() == other[1].values.tobytes()
    assert one[1].candidates.tobytes() == other[1].candidates.tobytes()
    assert not list((folder / "crowd" / "journal").iterdir())
    found = crowd.load(bad)
    assert found is not None
    return found[0]


@pytest.mark.parametrize(
    ("solver", "says"),
    [
        ("raises", "the lamp is broken"),
        ("exits", "I quit"),
        ("asks-words", "integers"),
        ("asks-fractions", "integers"),
        ("asks-too-much", "asked for 1000 candidates"),
        ("asks-outside", "whose levels are 0..15"),
    ],
)
def test_in_the_benchs_own_process(tmp_path: Path, solver: str, says: str) -> None:
    record = run(tmp_path, solver)
    assert (record.status, record.queries) == ("crash", 3)
    assert says in record.reason
    assert np.isnan(record.final)


def test_a_failure_below_very_many_calls_is_reported_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback of a million calls would take minutes to write, and gigabytes."""
    write, written = traceback.StackSummary.format_frame_summary, []

    def count(stack: traceback.StackSummary, call: traceback.FrameSummary) -> str:
        written.append(call)
        return write(stack, call)

    monkeypatch.setattr(traceback.StackSummary, "format_frame_summary", count)
    before = sys.getrecursionlimit()
    try:
        record = run(tmp_path, "digs")
    finally:
        sys.setrecursionlimit(before)
    assert record.status == "crash"
    assert record.reason.endswith("RuntimeError: the bottom is reached")
    assert 0 < len(written) <= 1000


def test_a_group_with_many_paths_is_reported_like_any_other(tmp_path: Path) -> None:
    """Visiting each path, as Python does for a traceback, takes as good as for ever at sixteen levels."""
    record = run(tmp_path, "raises-shared-group")
    assert record.status == "crash"
    assert record.reason.startswith("ExceptionGroup: a try (3 sub-exceptions): ExceptionGroup: a try")
    assert "in misbehave" in record.message
    assert resolve("raises-shared-group").cls.looks < 500


def test_a_rubbish_recommendation_is_a_crash_after_the_whole_budget(tmp_path: Path) -> None:
    record = run(tmp_path, "recommends-rubbish")
    assert (record.status, record.queries) == ("crash", 60)


def test_a_solver_that_lets_an_interruption_pass_is_interrupted_again(tmp_path: Path) -> None:
    """As Python does where it deletes an object: the run had no end."""
    before = signal.getsignal(signal.SIGALRM)
    record = run(tmp_path, "hangs-again", timeout=0.5)
    assert (record.status, record.queries) == ("timeout", 3)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("solver", ["hangs", "swallows-everything"])
def test_a_solver_that_hangs_is_stopped_by_the_timeout(tmp_path: Path, solver: str) -> None:
    record = run(tmp_path, solver, timeout=0.5)
    assert (record.status, record.queries) == ("timeout", 3)
    assert "limit of 0.5 s is reached" in record.reason


def test_the_trial_of_a_solver_that_hangs_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its first run: the command would wait for it without an end, whatever its timeout."""
    monkeypatch.setattr("amb.run.plan.TRIAL_SECONDS", 0.0)
    load_file(ROGUES.with_name("toy.py"))
    plan = make_plan("hangs-at-once", "toy/bowl/near/0", budget=5, seeds=1, limits=Limits(timeout=0.2))
    assert len(plan.runs) == 1


def test_a_timeout_does_not_count_how_long_a_process_takes_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a busy machine, where the bench's own imports take longer than the run."""
    (tmp_path / "sitecustomize.py").write_text("import time; time.sleep(4)")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert run(tmp_path, "random", isolate=True, timeout=3.5).status == "ok"  # it imports little itself


@pytest.mark.parametrize("isolate", [False, True])
def test_a_solver_pays_for_being_made(tmp_path: Path, isolate: bool) -> None:
    """In a process of its own that was free, so that a method which computes first looked cheap."""
    assert run(tmp_path, "prepares-long", isolate=isolate).solver_seconds >= 1.0


@pytest.mark.parametrize("isolate", [False, True])
def test_a_solver_pays_for_a_recommendation_that_never_comes(tmp_path: Path, isolate: bool) -> None:
    record = run(tmp_path, "hangs-at-the-end", isolate=isolate, timeout=3.0)
    assert (record.status, record.queries) == ("timeout", 60)
    assert record.solver_seconds > 0.3  # a busy machine takes most of the limit for making it and sixty queries


def test_a_timeout_counts_what_earlier_processes_spent(tmp_path: Path) -> None:
    """`--retry` with the same limit ends at once; with a larger one the run goes on from where it was.

    On a busy machine a run may be stopped with a little left, since seconds without a processor are not its own.
    """

    def slow(spec: str) -> FunctionProblem:
        return FunctionProblem(lambda rows: sleep(0.02) or rows.mean(axis=1), SPACE, id=spec)

    study, plan = Study(tmp_path), RunPlan("p/q/r/0", "print", "random[k=1]", "1", 0, 20)
    queries = []
    for timeout, retry in ((0.1, False), (0.1, False), (0.1, True), (9.0, True)):
        execute([plan], study, slow, limits=Limits(timeout=timeout), retry=retry)
        record, _ = study.load(plan)  # type: ignore[misc]
        queries.append(record.queries)
    assert 1 <= queries[0] <= 6
    assert queries[0] == queries[1] <= queries[2] <= queries[0] + 2
    assert queries[3] == 20
    assert record.status == "ok"
    assert record.target_seconds >= 20 * 0.02


@pytest.mark.parametrize("isolate", [False, True])
def test_a_forked_child_that_comes_back_ends(tmp_path: Path, isolate: bool) -> None:
    """It would work on with the bench's open journals, and finish runs a second time."""
    record = run(tmp_path, "forks", isolate=isolate)
    assert (record.status, record.queries) == ("ok", 60)


def test_the_reason_of_a_death_stands_before_the_output(tmp_path: Path) -> None:
    record = run(tmp_path, "dies-chattering", isolate=True)
    assert record.status == "crash"
    assert record.reason.startswith("SolverError: the solver's process was killed by SIGKILL; its last output: ")


def test_isolation_contains_the_worst_solvers(tmp_path: Path) -> None:
    """Death without a word, a crash in C, a hang, a leak and noise on the pipe, all in one study."""
    cases = {
        "vanishes": ("crash", "exited with status 7"),
        "segfaults": ("crash", "SIGSEGV"),
        "exits": ("crash", "I quit"),
        "raises": ("crash", "the lamp is broken"),
        "asks-outside": ("crash", "whose levels are"),
        "asks-fractions": ("crash", "candidates must be integers"),
        "swallows-everything": ("timeout", "s is reached"),
        "leaks": ("crash", "its limit is 400 MiB"),
        "prints": ("ok", ""),
        "random[k=5]": ("ok", ""),
    }
    plans = [RunPlan("p/q/r/0", "print", solver, "1", 0, 60) for solver in cases]
    study = Study(tmp_path / "isolated")
    execute(plans, study, problem, limits=Limits(isolate=True, timeout=8.0, memory=400 << 20))
    for plan, (status, says) in zip(plans, cases.values(), strict=True):
        record, trace = study.load(plan)  # type: ignore[misc]
        assert (plan.solver, record.status) == (plan.solver, status), record.message
        assert says in record.message
        assert record.queries == len(trace) == (60 if status == "ok" else 3)
    execute([GOOD], Study(tmp_path / "here"), problem)
    one, other = study.load(GOOD), Study(tmp_path / "here").load(GOOD)
    assert one[1].values.tobytes() == other[1].values.tobytes()  # type: ignore[index]


ENDS = {
    "raises": "RuntimeError: the lamp is broken",
    "exits": "SystemExit: I quit",
    "exits-content": "SystemExit",
    "cancels": "CancelledError: cancelled",
    "closes-generator": "GeneratorExit: closed",
    "presses-ctrl-c": "KeyboardInterrupt: pressed by the solver",
    "raises-group": "two lamps (2 sub-exceptions): RuntimeError: the left is broken; ValueError: the right is missing",
    "raises-base-group": "two ends (2 sub-exceptions): SystemExit: 1; KeyboardInterrupt",
    "raises-deep-group": "a try (1 sub-exception): ExceptionGroup: a try (1 sub-exception)",
    "raises-mute": "Mute: its text cannot be shown",
    "exits-in-tell": "SystemExit: told enough",
    "exits-in-recommend": "SystemExit: no recommendation",
    "refuses-by-exit": "SystemExit: not created",
    "asks-words": "candidates must be integers, got <U1",
    "asks-fractions": "candidates must be integers, got float64",
    "asks-too-much": "asked for 1000 candidates; the limits are 1..57",
    "asks-outside": "whose levels are 0..15",
    "asks-masked": "candidates must not be masked",
    "recommends-masked": "a recommendation must not be masked",
    "recommends-unasked": "recommends a candidate that no query has measured",
    "makes-nothing": "its class makes no amb.Solver, but NoneType",
    "raises-opaque": "Opaque: its text cannot be shown",
    "recommends-rubbish": "a recommendation must have shape [6], got [1]",
    "recommends-fractions": "candidates must be integers, got float64",
    "recommends-rows": "a recommendation must have shape [6], got [1, 6]",
    "recommends-truth": "candidates must be integers, got bool",
}


EDITED = (
    "import amb, numpy\nclass {name}(amb.Solver):\n    def _ask(self, limit):\n"
    "        return numpy.full((1, self.space.d), {level})\n"
)


def begun(solver: str) -> IsolatedSolver:
    return isolated(resolve(solver), problem("p/q/r/0"), RunPlan("p/q/r/0", "print", solver, "1", 0, 9))


def test_an_isolated_solver_is_the_one_that_the_command_has_loaded(tmp_path: Path) -> None:
    """Its file may be edited, or moved, while the command runs."""
    file = tmp_path / "edited_while_running.py"
    file.write_text(EDITED.format(name="EditedFile", level=1))
    load_file(file)
    file.unlink()
    solver = begun("edited-file")
    try:
        np.testing.assert_array_equal(solver.ask(), np.ones((1, SPACE.d)))
    finally:
        solver.close()


@pytest.mark.parametrize(
    ("text", "early"),
    [
        (EDITED.format(name="EditedModule", level=77), False),
        (EDITED.format(name="EditedModule", level=77), True),
        ("def half_saved(", False),
    ],
)
def test_an_edited_module_ends_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, early: bool
) -> None:
    """Runs of the new code would be stored as the old one's, or as its crashes; also in a notebook that has imported
    it before it was edited."""
    name = f"edited_module_{len(text)}_{early}"
    file = tmp_path / f"{name}.py"
    file.write_text(EDITED.format(name="EditedModule", level=1))
    monkeypatch.syspath_prepend(tmp_path)
    if early:
        resolve(f"{name}:EditedModule")
        file.write_text(text)
    solver = begun(f"{name}:EditedModule")
    try:
        file.write_text(text)
        with pytest.raises(NoProcess, match="was edited while this command ran"):
            solver.ask()
    finally:
        solver.close()


def test_one_rule_ends_a_run_in_process_and_isolated(tmp_path: Path) -> None:
    """Whatever a solver raises or answers, its run crashes with the same reason in one line; no other run ends."""
    plans = [RunPlan("p/q/r/0", "print", solver, "1", 0, 60) for solver in ENDS]
    reasons = []
    for isolate in (False, True):
        study = Study(tmp_path / str(isolate))
        execute([*plans, GOOD], study, problem, limits=Limits(isolate=isolate))
        records = [study.load(plan)[0] for plan in plans]  # type: ignore[index]
        assert [record.status for record in records] == ["crash"] * len(plans)
        assert study.load(GOOD)[0].status == "ok"  # type: ignore[index]
        reasons.append([(record.queries, record.reason) for record in records])
    for expected, here, elsewhere in zip(ENDS.values(), *reasons, strict=True):
        assert expected in here[1]
        assert here == elsewhere


def test_a_solver_s_own_interrupt_ends_its_run_where_sigint_is_ignored(tmp_path: Path) -> None:
    """As in a background job of a shell: nothing that the user presses can raise it there."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        plan = RunPlan("p/q/r/0", "print", "presses-ctrl-c", "1", 0, 60)
        study = Study(tmp_path)
        execute([plan, GOOD], study, problem)
    finally:
        signal.signal(signal.SIGINT, before)
    assert study.load(plan)[0].status == "crash"  # type: ignore[index]
    assert study.load(GOOD)[0].status == "ok"  # type: ignore[index]


@pytest.mark.parametrize("isolate", [False, True])
@pytest.mark.parametrize(
    "solver",
    ["changes-what-it-is-told", "changes-what-it-asked", "changes-directory", "masks-files", "loses-its-way", "rogue"],
)
def test_what_a_solver_changes_changes_nothing_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, solver: str, isolate: bool
) -> None:
    """The trace on disk holds what was measured, and relative paths keep their meaning."""
    monkeypatch.chdir(tmp_path)
    measured = []

    def note(rows: np.ndarray) -> np.ndarray:
        values = np.sin(rows).mean(axis=1)
        measured.append((rows.copy(), values.copy()))
        rows[:] = 0
        return values

    plan, modules = RunPlan("p/q/r/0", "print", solver, "1", 0, 12), list(sys.path)
    execute([plan], Study("st"), lambda spec: FunctionProblem(note, SPACE, id=spec), limits=Limits(isolate=isolate))
    assert Path.cwd() == tmp_path
    assert sys.path[: len(modules)] == modules
    sys.path[:] = modules
    assert Study("st").run_file(plan.run_id).stat().st_mode & 0o600 == 0o600  # root would read it anyway
    record, trace = Study("st").load(plan)  # type: ignore[misc]
    assert record.status == "ok", record.message
    candidates, values = (np.concatenate(column) for column in zip(*measured, strict=True))
    assert np.array_equal(trace.candidates, candidates[:12])
    assert np.array_equal(trace.values, values[:12])


def test_settings_that_a_solver_changes_reach_no_other_code(tmp_path: Path) -> None:
    """Others would crash at an underflow, give other traces in another precision, or end at the alarm.

    With the low limits, neither the trace could be written nor a file be opened.
    """

    def settings() -> list[object]:
        return [
            np.geterr(),
            (torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_default_device(), torch.zeros(1).device),
            (torch.get_float32_matmul_precision(), torch.backends.mkldnn.enabled, sys.float_info.min / len("two")),
            torch.nn.ReLU()(torch.ones(1, dtype=torch.float32, device="cpu")).item(),
            (1.0 / len("0123456789"), -1.0 / len("0123456789")),
            (gc.isenabled(), sys.getrecursionlimit(), sys.getprofile()),
            signal.getitimer(signal.ITIMER_REAL),
            (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGALRM)),
            [
                resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))
                for name in ("FSIZE", "NOFILE", "AS", "DATA", "CPU")
            ],
        ]

    def measured(rows: np.ndarray) -> np.ndarray:
        found.append(settings())
        return np.exp(-1000.0 * (1.0 + rows)).sum(axis=1)  # underflows

    found: list[list[object]] = []
    before = settings()
    plan = RunPlan("p/q/r/0", "print", "changes-settings", "1", 0, 12)
    study = Study(tmp_path)
    execute([plan], study, lambda spec: FunctionProblem(measured, SPACE, id=spec))
    assert study.load(plan)[0].status == "ok"  # type: ignore[index]
    assert settings() == before
    assert all(seen[0] == before[0] and seen[2:4] == before[2:4] and seen[5] == before[5] for seen in found)


@pytest.mark.parametrize("solver", ["changes-settings", "random"])
def test_a_profile_observes_all_of_a_command(tmp_path: Path, solver: str) -> None:
    """Before Python 3.12, putting back what other code had changed ended a command under cProfile in a TypeError."""

    def measured(rows: np.ndarray) -> np.ndarray:
        sys.setrecursionlimit(sys.getrecursionlimit() + 1)
        return rows.mean(axis=1)

    plan = RunPlan("p/q/r/0", "print", solver, "1", 0, 12)
    with cProfile.Profile() as profile:
        execute([plan], Study(tmp_path), lambda spec: FunctionProblem(measured, SPACE, id=spec))
        called_afterwards()
    assert Study(tmp_path).load(plan)[0].status == "ok"  # type: ignore[index]
    assert called_afterwards.__name__ in {name for _, _, name in pstats.Stats(profile).stats}  # type: ignore[attr-defined]


def called_afterwards() -> None:
    pass


def test_a_solver_that_refuses_is_skipped_in_process_and_isolated(tmp_path: Path) -> None:
    def codes(spec: str) -> FunctionProblem:
        return FunctionProblem(lambda rows: rows.mean(axis=1), Space.uniform(6, 16, kind="categorical"), id=spec)

    plan = RunPlan("p/q/r/0", "print", "cma", "1", 0, 12)
    opaque = RunPlan("p/q/r/0", "print", "refuses-opaquely", "1", 0, 12)
    found = []
    for isolate in (False, True):
        study = Study(tmp_path / str(isolate))
        execute([plan, opaque], study, codes, limits=Limits(isolate=isolate))
        found.append([(study.load(p)[0].status, study.load(p)[0].reason) for p in (plan, opaque)])  # type: ignore[index]
    assert found[0] == found[1]
    assert [status for status, _ in found[0]] == ["skip", "skip"]
    assert found[0][1][1] == "its text cannot be shown"


BENCH = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path({here!r}).parent))
from amb.catalogue.plugins import load_file
from amb.run.limits import Limits
from test_solvers import ROGUES, Study, RunPlan, execute, problem
load_file(ROGUES)
plan = RunPlan("p/q/r/0", "print", "leaves-children", "1", 0, 60)
execute([plan], Study({folder!r}), problem, limits=Limits(isolate=True, timeout={timeout}))
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not show its processes")
@pytest.mark.parametrize("killed", [True, False], ids=["by SIGKILL of the bench", "by the timeout"])
def test_no_process_that_an_isolated_solver_started_outlives_it(tmp_path: Path, killed: bool) -> None:
    """Not even one that has left its session, or whose parent has ended."""
    noted = tmp_path / "pids"
    for seconds in (None,) if killed else (3, 100):  # a busy machine may need longer to start the processes
        code = BENCH.format(here=__file__, folder=str(tmp_path / f"st-{seconds}"), timeout=seconds)
        bench = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "AMB_TEST_CHILDREN": str(noted)})
        assert within(200, lambda: noted.exists() or bench.poll() is not None)  # noqa: B023
        if noted.exists():
            break
    pids = [int(pid) for pid in noted.read_text().split()]
    assert len(pids) == 4
    if killed:
        assert all(map(is_alive, pids))
        bench.kill()
    assert bench.wait(200) == (-signal.SIGKILL if killed else 0)
    assert all_gone(pids)


def test_memory_counts_the_processes_that_a_solver_starts(tmp_path: Path) -> None:
    plan = RunPlan("p/q/r/0", "print", "hoards-in-child", "1", 0, 60)
    study = Study(tmp_path)
    execute([plan], study, problem, limits=Limits(isolate=True, timeout=60, memory=500 << 20))
    record, _ = study.load(plan)  # type: ignore[misc]
    assert record.status == "crash"
    assert "its limit is 500 MiB" in record.reason


def test_a_network_that_fails_ends_only_the_run_that_made_it_fail(tmp_path: Path) -> None:
    """The other runs of that batch are evaluated without it, and observe what they would have."""

    class Shared(FunctionProblem):
        group = "one"  # type: ignore[assignment]

    def respond(rows: np.ndarray) -> np.ndarray:
        return np.sin(rows).mean(axis=1)

    def fragile(rows: np.ndarray) -> np.ndarray:
        if (rows[:, 0] == 3).any():
            raise ValueError("a nan in layer 3")
        return np.sin(rows).mean(axis=1)

    def make(spec: str) -> FunctionProblem:
        return Shared(fragile if spec.endswith("/7") else respond, SPACE, id=spec)

    plans = [RunPlan(f"p/q/r/{unit}", "print", "random[k=5]", "1", 0, 60) for unit in (0, 7, 1)]
    study = Study(tmp_path)
    execute(plans, study, make)
    statuses = [study.load(plan)[0].status for plan in plans]  # type: ignore[index]
    assert statuses == ["ok", "crash", "ok"]
    record, trace = study.load(plans[1])  # type: ignore[misc]
    assert "a nan in layer 3" in record.reason
    assert record.queries == len(trace) < 60


@pytest.mark.parametrize("values", [[0.5], [[0.5] * 5], ["a"] * 5])
def test_a_network_that_answers_garbage_is_a_crash(tmp_path: Path, values: list) -> None:
    class Garbage(FunctionProblem):
        @classmethod
        def evaluate_together(cls, problems, batches):  # type: ignore[no-untyped-def]
            from amb import Evaluation

            return Evaluation([np.array(values)], [np.array(values)])

    study = Study(tmp_path)
    execute([GOOD], study, lambda spec: Garbage(lambda rows: rows, SPACE, id=spec))
    record, _ = study.load(GOOD)  # type: ignore[misc]
    assert (record.status, record.queries) == ("crash", 0)
    assert "expected numbers [5]" in record.reason


def test_a_problem_that_cannot_be_made_is_skipped_with_its_reason(tmp_path: Path) -> None:
    from amb.errors import CheckpointError

    def make(spec: str) -> FunctionProblem:
        if spec.endswith("1"):
            raise CheckpointError("net.safetensors is damaged")
        return problem(spec)

    plans = [GOOD, RunPlan("p/q/r/1", "print", "random[k=5]", "1", 0, 60)]
    study = Study(tmp_path)
    execute(plans, study, make)
    assert [study.load(plan)[0].status for plan in plans] == ["ok", "skip"]  # type: ignore[index]
    assert "damaged" in study.load(plans[1])[0].reason  # type: ignore[index]
    execute(plans, study, problem, retry=True)
    assert study.load(plans[1])[0].status == "ok"  # type: ignore[index]


def test_limits_that_make_no_sense_are_refused() -> None:
    for wrong in ({"timeout": 0}, {"timeout": float("nan")}, {"memory": 5}, {"memory": 0, "isolate": True}):
        with pytest.raises(SpecError):
            Limits(**wrong)  # type: ignore[arg-type]


class Clock(FunctionProblem):
    """Its clock jumped back."""

    @classmethod
    def evaluate_together(cls, problems: Sequence[Problem], batches: Sequence[np.ndarray]) -> Evaluation:
        values = [batch.sum(axis=1) / 50.0 for batch in batches]
        return Evaluation(values, values, -1.0, 0.0)


class Listed(FunctionProblem):
    @property
    def group(self) -> str:
        return ["a"]  # type: ignore[return-value]


class Broken(FunctionProblem):
    @property
    def memory(self) -> int:
        raise RuntimeError("no memory")


@pytest.mark.parametrize("bad", [Clock, Listed, Broken])
def test_a_bad_problem_ends_its_own_runs_only(tmp_path: Path, bad: type[FunctionProblem]) -> None:
    """And the study can be read again: negative seconds were written, and then refused for good."""

    def make(spec: str) -> FunctionProblem:
        cls = bad if spec == "own/bad/l/0" else FunctionProblem
        return cls(lambda rows: rows.mean(axis=1), SPACE, id=spec)

    good = RunPlan("p/q/r/0", "print", "random", "1", 0, 20)
    other = RunPlan("own/bad/l/0", "print", "random", "1", 0, 20)
    for _ in range(2):
        execute([good, other], Study(tmp_path), make)
        ends = [Study(tmp_path).load(plan) for plan in (good, other)]
        assert [end[0].failed for end in ends if end] == [False, True]


def test_a_bench_without_room_for_a_process_blames_no_solver(tmp_path: Path) -> None:
    """Nothing is stored about the run, and the same command runs it when there is room."""
    study, plan = Study(tmp_path), RunPlan("p/q/r/0", "print", "random", "1", 0, 20)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened + 3, hard))
    try:
        with pytest.raises(AmbError, match="cannot begin a process for random: Too many open files"):
            execute([plan], study, problem, limits=Limits(isolate=True))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert study.load(plan) is None
    execute([plan], study, problem, limits=Limits(isolate=True))
    assert study.load(plan) is not None


@pytest.mark.parametrize("seconds", [1e10, 1e300, float("inf")])
def test_a_time_limit_beyond_what_timers_take_limits_nothing(tmp_path: Path, seconds: float) -> None:
    study = Study(tmp_path)
    execute([GOOD], study, problem, limits=Limits(timeout=seconds))
    assert study.load(GOOD)[0].status == "ok"  # type: ignore[index]


def test_a_solver_s_own_interrupt_in_its_trial_is_not_the_user_s(tmp_path: Path) -> None:
    """Outside of commands nothing else handles signals while runs are planned."""

    class Presses(Solver):
        def _ask(self, limit: int) -> np.ndarray:
            raise KeyboardInterrupt

    found = compare([Presses, "random"], FunctionProblem(lambda rows: rows.mean(axis=1), SPACE, id="p/q/r/0"),
                    budget=9, seeds=1, study=tmp_path, progress=False)  # fmt: skip
    assert sorted(found.runs["status"]) == ["crash", "ok"]
