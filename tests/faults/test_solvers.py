"""Whatever a solver does, only its own run ends, with a status and a reason; other runs are not affected."""

from pathlib import Path

import numpy as np
import pytest

from amb import FunctionProblem, Space
from amb.catalogue.plugins import load_file
from amb.errors import SpecError
from amb.run.execute import execute
from amb.run.limits import Limits
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


def test_a_rubbish_recommendation_is_a_crash_after_the_whole_budget(tmp_path: Path) -> None:
    record = run(tmp_path, "recommends-rubbish")
    assert (record.status, record.queries) == ("crash", 60)


@pytest.mark.parametrize("solver", ["hangs", "swallows-everything"])
def test_a_solver_that_hangs_is_stopped_by_the_timeout(tmp_path: Path, solver: str) -> None:
    record = run(tmp_path, solver, timeout=0.5)
    assert (record.status, record.queries) == ("timeout", 3)
    assert "limit of 0.5 s is reached" in record.reason


def test_a_timeout_counts_what_earlier_processes_spent(tmp_path: Path) -> None:
    """`--retry` with the same limit ends at once; with a larger one the run goes on from where it was."""
    from time import sleep

    def slow(spec: str) -> FunctionProblem:
        return FunctionProblem(lambda rows: sleep(0.02) or rows.mean(axis=1), SPACE, id=spec)

    study, plan = Study(tmp_path), RunPlan("p/q/r/0", "print", "random[k=1]", "1", 0, 20)
    queries = []
    for timeout, retry in ((0.1, False), (0.1, False), (0.1, True), (9.0, True)):
        execute([plan], study, slow, limits=Limits(timeout=timeout), retry=retry)
        record, _ = study.load(plan)  # type: ignore[misc]
        queries.append(record.queries)
    assert 1 <= queries[0] <= 6
    assert queries == [queries[0]] * 3 + [20]
    assert record.status == "ok"
    assert record.target_seconds >= 20 * 0.02


def test_isolation_contains_the_worst_solvers(tmp_path: Path) -> None:
    """Death without a word, a crash in C, a hang, a leak and noise on the pipe, all in one study."""
    cases = {
        "vanishes": ("crash", "exited with status 7"),
        "segfaults": ("crash", "SIGSEGV"),
        "exits": ("crash", "exited with status 1"),
        "raises": ("crash", "the lamp is broken"),
        "asks-outside": ("crash", "whose levels are"),
        "asks-fractions": ("crash", "Cannot cast"),
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
    assert "values must be 5 numbers" in record.reason


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
