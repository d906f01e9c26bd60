import dataclasses
import gc
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import numpy as np
import pytest
from interrupting import interrupt

from amb import Family, FunctionProblem, Space
from amb.catalogue.solvers import SolverSpec, resolve
from amb.comparison.compare import compare
from amb.contracts.problem import Problem
from amb.errors import SolverError
from amb.run.execute import execute
from amb.run.limits import Limits
from amb.run.live import LiveRun
from amb.run.plan import make_plan
from amb.run.progress import NoProgress
from amb.study.journal import read_journal
from amb.study.runs import RunPlan
from amb.study.study import Study
from amb_solvers.search.random_search import RandomSearch

SPACE = Space.uniform(6, 16)
SOLVERS = ("climber", "climber[batch=7]", "random", "random[draw=prior,k=5]")


def plans_for(budget: int = 60, solvers: tuple[str, ...] = SOLVERS, problems: int = 3) -> list[RunPlan]:
    return [
        RunPlan(f"p/q/r/{unit}", "print", solver, "1", seed, budget)
        for unit in range(problems)
        for solver in solvers
        for seed in range(2)
    ]


class Notes(NoProgress):
    """Keeps what the user is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, message: str) -> None:
        self.said.append(message)


class Laboratory:
    """Problems that count what is measured and can break down after so many queries."""

    def __init__(self, breaks_after: float = np.inf) -> None:
        self.queries = 0
        self.breaks_after = breaks_after

    def __call__(self, spec: str) -> FunctionProblem:
        unit = int(spec.split("/")[-1])

        def respond(candidates: np.ndarray) -> np.ndarray:
            if self.queries + len(candidates) > self.breaks_after:
                interrupt()
            self.queries += len(candidates)
            return np.sin(candidates + unit).mean(axis=1)

        return FunctionProblem(respond, SPACE, id=spec)


def traces(study: Study, plans: list[RunPlan]) -> dict[str, tuple]:
    found = {}
    for plan in plans:
        loaded = study.load(plan)
        assert loaded is not None
        record, trace = loaded
        found[plan.run_id] = (
            trace.candidates.tolist(),
            trace.values.tolist(),
            trace.batches.tolist(),
            record.final,
            record.recommended,
            record.status,
        )
    return found


@pytest.fixture
def undisturbed(tmp_path: Path, toy: Path) -> dict[str, tuple]:
    study = Study(tmp_path / "undisturbed")
    execute(plans_for(), study, Laboratory())
    return traces(study, plans_for())


def test_every_run_spends_its_budget_to_the_query(tmp_path: Path, toy: Path) -> None:
    laboratory, study = Laboratory(), Study(tmp_path)
    execute(plans_for(budget=61), study, laboratory)
    assert laboratory.queries == 61 * len(plans_for())
    for plan in plans_for(budget=61):
        record, trace = study.load(plan)  # type: ignore[misc]
        assert record.queries == len(trace) == trace.batches.sum() == 61


def test_a_run_observes_the_same_alone_and_in_lockstep(tmp_path: Path, undisturbed: dict[str, tuple]) -> None:
    alone, timed = Study(tmp_path / "alone"), Study(tmp_path / "timed")
    for plan in plans_for():
        execute([plan], alone, Laboratory())
    execute(plans_for(), timed, Laboratory(), timing=True)
    assert traces(alone, plans_for()) == undisturbed
    assert traces(timed, plans_for()) == undisturbed
    assert all(record.timing for record, _ in timed.records())


@pytest.mark.parametrize("breaks_after", [1, 55, 300, 900, 1400])
def test_an_interrupted_study_continues_where_it_stopped(
    tmp_path: Path, undisturbed: dict[str, tuple], breaks_after: int
) -> None:
    """Nothing that was observed is measured again, and the traces are those of an undisturbed study."""
    study = Study(tmp_path / "broken")
    first, second = Laboratory(breaks_after), Laboratory()
    with pytest.raises(KeyboardInterrupt):
        execute(plans_for(), study, first)
    execute(plans_for(), Study(tmp_path / "broken"), second)
    assert traces(study, plans_for()) == undisturbed
    total = 60 * len(plans_for())
    # Only the round that broke may be measured twice: its batches had not all been observed.
    assert total <= first.queries + second.queries <= total + 32 * len(plans_for())
    assert not list((tmp_path / "broken" / "journal").iterdir())


def test_nothing_is_run_twice(tmp_path: Path, toy: Path) -> None:
    study, again = Study(tmp_path), Laboratory()
    execute(plans_for(), study, Laboratory())
    execute(plans_for(), study, again)
    assert again.queries == 0


def test_raising_the_budget_extends_runs(tmp_path: Path, toy: Path) -> None:
    """The extended trace is what a run of the larger budget would have been from the start."""
    study, fresh, laboratory = Study(tmp_path / "a"), Study(tmp_path / "b"), Laboratory()
    longer = plans_for(budget=96)
    execute(plans_for(budget=64), study, Laboratory())
    execute(longer, study, laboratory)
    execute(longer, fresh, Laboratory())
    assert traces(study, longer) == traces(fresh, longer)
    assert laboratory.queries < 96 * len(longer)


def test_a_crash_ends_one_run_and_harms_no_other(tmp_path: Path, undisturbed: dict[str, tuple]) -> None:
    study = Study(tmp_path)
    bad = [dataclasses.replace(plan, solver="crasher") for plan in plans_for(solvers=("random",))]
    execute(plans_for() + bad, study, Laboratory())
    assert traces(study, plans_for()) == undisturbed
    for plan in bad:
        record, trace = study.load(plan)  # type: ignore[misc]
        assert (record.status, record.queries, len(trace)) == ("crash", 3, 3)
        assert "the lamp is broken" in record.message
        assert np.isnan(record.final)


def test_failed_queries_are_recorded_and_survived(tmp_path: Path, toy: Path) -> None:
    def respond(candidates: np.ndarray) -> np.ndarray:
        values = candidates.mean(axis=1)
        values[::2] = [np.inf if i % 4 else np.nan for i in range(0, len(values), 2)]
        return values

    study, plan = Study(tmp_path), RunPlan("p/q/r/0", "print", "climber", "1", 0, 40)
    execute([plan], study, lambda spec: FunctionProblem(respond, SPACE, id=spec))
    record, trace = study.load(plan)  # type: ignore[misc]
    assert record.status == "ok"
    assert np.isnan(trace.values).sum() == 20
    assert record.final == np.nanmax(trace.values)


def test_what_is_compiled_once_is_charged_to_no_run(tmp_path: Path, toy: Path) -> None:
    """A problem is warmed up once, before its first query and outside the meter, without measuring anything."""

    class Cold(FunctionProblem):
        warmed = 0

        def warm_up(self) -> None:
            sleep(0.3)
            Cold.warmed += 1

    study, plans = Study(tmp_path), plans_for(problems=1)
    queries = []
    cold = Cold(lambda rows: queries.extend(rows) or rows.mean(axis=1), SPACE, id="p/q/r/0")
    execute(plans, study, lambda spec: cold)
    assert Cold.warmed == 1
    assert len(queries) == 60 * len(plans)
    assert sum(record.target_seconds + record.solver_seconds for record, _ in study.records()) < 0.3


def test_what_a_solver_refuses_is_skipped_with_the_reason(tmp_path: Path, toy: Path) -> None:
    """The codes of a VQ-VAE have no order: solvers that need one skip them with a note, and the rest runs."""
    problems = ["toy/bowl/near/0", "cifar10-vqvae/snn-cnn/sn1/29"]
    asked = {"budget": 6, "seeds": 1}
    plan = make_plan("cma-diagonal,random", problems, **asked)  # type: ignore[arg-type]
    (sentence,) = plan.refusals
    assert sentence.startswith("cma-diagonal refuses cifar10-vqvae/snn-cnn/sn1/29; its runs there are skipped")
    compared = compare("cma-diagonal,random", problems, study=tmp_path, **asked)  # type: ignore[arg-type]
    status = compared.runs.set_index(["solver", "problem"])["status"]
    assert status.loc["random"].eq("ok").all()
    assert status.loc["cma-diagonal"].tolist() == ["ok", "skip"]
    refused = next(run for run in plan.runs if run.solver == "cma-diagonal" and "vqvae" in run.problem)
    record, trace = compared.study.load(refused)  # type: ignore[misc]
    assert "no order" in record.message
    assert "Traceback" not in record.message
    assert len(trace) == 0
    assert compared.ranking.set_index("solver")["failures"].to_dict() == {"random": 0, "cma-diagonal": 1}
    with pytest.raises(SolverError, match=r"cma-diagonal on cifar10-vqvae/.*no order"):
        make_plan("cma-diagonal,random", problems[1:], **asked)  # type: ignore[arg-type]


def test_refusals_are_those_of_each_problems_own_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """A family may make a space for every problem; spaces that are gone leave their addresses to new ones."""

    class Mixed(Family):
        name = "mixed/kinds"

        def layers(self) -> dict[str, int]:
            return {"l": 40}

        def problem(self, layer: str, unit: int, **_: object) -> FunctionProblem:
            space = Space.uniform(6, 16) if unit % 3 == 0 else Space.uniform(6, 16, kind="categorical")
            return FunctionProblem(lambda rows: rows.sum(axis=1), space, id=f"{self.name}/{layer}/{unit}")

    monkeypatch.setattr("amb.catalogue.problems.family", lambda _: Mixed())
    (sentence,) = make_plan("cma", "mixed/kinds/l/0..39", budget=5, seeds=1).refusals
    assert sentence.startswith("cma refuses mixed/kinds/l/1 and 25 more problems; ")


class Particular(RandomSearch):
    """Refuses all networks but one, as a solver does that needs gradients."""

    sees = "gradients"

    def attach(self, problem: Problem) -> None:
        if problem.id != "own/seen/l/0":
            raise SolverError(f"{problem.id} has no gradients")


@pytest.mark.parametrize("order", [("seen", "hidden"), ("hidden", "seen")])
def test_a_solver_that_refuses_one_network_works_on_others_of_its_grid(tmp_path: Path, order: tuple[str, str]) -> None:
    """The first problem of a grid once decided for all: the command ended, or the refusal was not told."""
    problems = [FunctionProblem(lambda rows: rows.mean(axis=1), SPACE, id=f"own/{name}/l/0") for name in order]
    compared = compare([Particular, "random"], problems, budget=6, seeds=1, study=tmp_path, progress=False)
    found = compared.runs[compared.runs["solver"].str.endswith(":Particular")].set_index("problem")["status"]
    assert found.to_dict() == {"own/seen/l/0": "ok", "own/hidden/l/0": "skip"}
    notes = [line for line in (tmp_path / "log.jsonl").read_text().splitlines() if ":Particular refuses" in line]
    assert len(notes) == 1
    assert ":Particular refuses own/hidden/l/0; its runs there are skipped" in notes[0]


def test_runs_that_shared_the_machine_are_timed_again(tmp_path: Path, toy: Path) -> None:
    """Known values are not replayed with old seconds; a longer run is kept; a timed run continues."""
    laboratory, study = Laboratory(), Study(tmp_path)
    few = plans_for(budget=20, problems=1)
    execute(few, study, laboratory)
    execute(few, study, laboratory, timing=True)
    assert laboratory.queries == 2 * 20 * len(few)
    assert all(record.timing for record, _ in study.records())
    longer, before = plans_for(budget=30, problems=1), laboratory.queries
    execute(longer, study, laboratory, timing=True)
    assert laboratory.queries - before < 20 * len(few), "only the rest is measured, and batches that were cut"
    assert all(record.timing for record, _ in study.records())
    assert not any(study.load(plan)[0].timing for plan in few), "a share of 30 queries' seconds was not measured"  # type: ignore[index]

    other = Study(tmp_path / "other")
    execute(longer, other, laboratory)
    execute(few, other, laboratory, timing=True)
    assert len(list((other.folder / "damaged").iterdir())) == len(few)


def test_a_shorter_timing_study_is_measured_and_keeps_the_longer_runs(tmp_path: Path, toy: Path) -> None:
    """The seconds of 30 queries are not those of 20, even if the longer run had the machine for itself."""
    laboratory, study = Laboratory(), Study(tmp_path)
    longer, few = plans_for(budget=30, problems=1), plans_for(budget=20, problems=1)
    execute(longer, study, laboratory, timing=True)
    before, found, notes = laboratory.queries, traces(study, longer), Notes()
    execute(few, study, laboratory, timing=True, progress=notes)
    assert laboratory.queries - before == 20 * len(few)
    assert all(record.timing and record.queries == 20 for record, _ in study.records())
    (said,) = notes.said
    assert "has 30 queries" in said
    assert f"{tmp_path}/damaged keeps a copy of each" in said
    copied = [line for line in (tmp_path / "log.jsonl").read_text().splitlines() if '"copied"' in line]
    copies = list((tmp_path / "damaged").iterdir())
    assert len(copied) == len(copies) == len(few)
    for copy in copies:
        copy.rename(tmp_path / "runs" / copy.name)
    assert traces(Study(tmp_path), longer) == found


def test_a_run_that_cannot_be_extended_stays_as_it_was(tmp_path: Path, toy: Path) -> None:
    """Its problem cannot be created any more, or so many queries cannot be stored: what was measured is kept."""
    study, few = Study(tmp_path), plans_for(budget=20, problems=1)
    execute(few, study, Laboratory())
    before = traces(study, few)

    def broken(spec: str) -> FunctionProblem:
        raise OSError("the network's file is gone")

    execute(plans_for(budget=40, problems=1), study, broken)
    execute(few, study, broken, timing=True)
    execute(plans_for(budget=10**9, problems=1), study, Laboratory())
    assert traces(study, few) == before
    execute(plans_for(budget=40, problems=1), study, Laboratory())
    assert [record.queries for record, _ in study.records()] == [40] * len(few)


@pytest.mark.parametrize("place", ["first line", "first batch", "middle", "end"])
def test_a_damaged_journal_is_kept_where_its_queries_are_measured_again(tmp_path: Path, toy: Path, place: str) -> None:
    """It may hold hours; a journal that a process left half written is no damage."""
    study, (plan,) = Study(tmp_path), plans_for(budget=20, solvers=("climber",), problems=1)[:1]
    with pytest.raises(KeyboardInterrupt):
        execute([plan], study, Laboratory(breaks_after=15))
    journal = study.journal_file(plan.run_id)
    content = bytearray(journal.read_bytes())
    line = content.index(b"\n") + 1
    content[{"first line": 3, "first batch": line + 30, "middle": (line + len(content)) // 2, "end": -1}[place]] ^= 4
    journal.write_bytes(content)
    execute([plan], study, Laboratory())
    assert [record.status for record, _ in study.records()] == ["ok"]
    assert [path.read_bytes() for path in (tmp_path / "damaged").iterdir()] == [content]


@pytest.mark.parametrize("lost", [1, 20, 40])
def test_a_torn_journal_is_not_damaged(tmp_path: Path, toy: Path, lost: int) -> None:
    study, (plan,) = Study(tmp_path), plans_for(budget=20, solvers=("climber",), problems=1)[:1]
    with pytest.raises(KeyboardInterrupt):
        execute([plan], study, Laboratory(breaks_after=15))
    journal = study.journal_file(plan.run_id)
    journal.write_bytes(journal.read_bytes()[:-lost])
    execute([plan], study, Laboratory())
    assert not (tmp_path / "damaged").exists()


def test_a_timed_run_that_fails_leaves_a_copy_of_the_one_whose_place_it_takes(tmp_path: Path, toy: Path) -> None:
    study, few = Study(tmp_path), plans_for(budget=20, solvers=("climber",), problems=1)
    execute(few, study, Laboratory())
    whole = {path.name: path.read_bytes() for path in study.run_files()}

    class Broken(Laboratory):
        def __call__(self, spec: str) -> FunctionProblem:
            return FunctionProblem(lambda candidates: candidates.no_such_thing, SPACE, id=spec)  # type: ignore[attr-defined]

    execute(few, study, Broken(), timing=True)
    assert {record.status for record, _ in study.records()} == {"crash"}
    assert {path.name: path.read_bytes() for path in (study.folder / "damaged").iterdir()} == whole


@pytest.fixture
def unfrozen() -> Iterator[None]:
    """What the tests themselves have frozen is so again afterwards, or collections take a second each."""
    gc.unfreeze()
    yield
    gc.freeze()


@pytest.mark.usefixtures("unfrozen")
def test_the_collector_looks_at_the_users_objects_again_after_an_execution(tmp_path: Path) -> None:
    frozen: list[int] = []

    def respond(candidates: np.ndarray) -> np.ndarray:
        frozen.append(gc.get_freeze_count())
        return candidates.mean(axis=1)

    execute(plans_for(12, ("random",), 1), Study(tmp_path), lambda spec: FunctionProblem(respond, SPACE, id=spec))
    assert min(frozen) > 10_000
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("already", [False, True])
def test_frozen_objects_are_counted_once_in_an_execution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: Path, already: bool
) -> None:
    """Counting walks through all of them; in every round, that took longer than everything else."""
    counted: list[int] = []
    monkeypatch.setattr(gc, "get_freeze_count", lambda: counted.append(1) or int(already))
    monkeypatch.setattr(gc, "freeze", lambda: None)
    monkeypatch.setattr(gc, "unfreeze", lambda: None)
    execute(plans_for(60, ("climber",), 1), Study(tmp_path), Laboratory())
    assert len(counted) == 1


def test_all_values_of_a_batch_are_on_disk_before_the_first_solver_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, seen = Study(tmp_path), []
    learn = LiveRun.learn

    def learning(run: LiveRun, start: float, *, ask: bool) -> float:
        contents = [read_journal(study.journal_file(plan.run_id)) for plan in plans]
        seen.append([0 if one is None else len(one.known.trace) for one in contents])
        return learn(run, start, ask=ask)

    monkeypatch.setattr(LiveRun, "learn", learning)
    plans = plans_for(3, ("random[k=1]",), 2)
    execute(plans, study, Laboratory(), overlap=False)
    assert seen[:8] == [[1] * 4] * 4 + [[2] * 4] * 4


@pytest.mark.parametrize("timeout", [None, 60.0])
def test_no_run_in_lockstep_is_charged_for_another_ones_solver_nor_for_the_evaluation(
    tmp_path: Path, timeout: float | None
) -> None:
    quick = resolve("random[k=1]")

    class Pensive(quick.cls):  # type: ignore[name-defined,misc]
        def tell(self, candidates: np.ndarray, values: np.ndarray) -> None:
            sleep(0.02)
            super().tell(candidates, values)

    def respond(candidates: np.ndarray) -> np.ndarray:
        sleep(0.02)
        return candidates.mean(axis=1)

    def find(spec: str) -> SolverSpec:
        return SolverSpec(quick.spec, Pensive, quick.plugin) if spec == "pensive" else quick

    plans = [RunPlan(f"p/q/r/{unit}", "print", ("pensive", "quick")[unit % 2], "1", 0, 5) for unit in range(4)]
    study = Study(tmp_path)
    limits = Limits(timeout=timeout)
    problem = lambda spec: FunctionProblem(respond, SPACE, id=spec)  # noqa: E731
    execute(plans, study, problem, find_solver=find, overlap=False, limits=limits)
    seconds = [run[0].solver_seconds for plan in plans if (run := study.load(plan)) is not None]
    assert min(seconds[::2]) > 5 * max(seconds[1::2])
