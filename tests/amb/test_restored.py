"""A published study made a study again: what a replay recovers, and what it refuses."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import amb
from amb import FunctionProblem
from amb.catalogue.plugins import find, load_file
from amb.catalogue.problems import problem
from amb.catalogue.solvers import resolve
from amb.cli.app import app
from amb.errors import SpecError, StudyError
from amb.reports.write import write_leaderboard
from amb.run.restore import Restored, restore
from amb.study.published import DICTIONARIES, SCHEMA, PublishedStudy, publish
from amb.study.recording import Recording
from amb.study.runs import Known, RunPlan
from amb.study.study import Study
from amb.study.tables import write_table
from amb.study.traces import write_run

PROBLEMS = "toy/bowl/near/0..1"
RUNS = 8


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    load_file(Path(__file__).parents[1] / "plugins" / "toy.py")
    home = Path(tmp_path_factory.mktemp("source"))
    amb.compare("random,climber", PROBLEMS, budget=30, seeds=2, study=home / "study")
    publish(Study(home / "study"), home / "published")
    return home


@pytest.fixture
def made(source: Path, tmp_path: Path) -> Path:
    """A study of two solvers, and the same published."""
    shutil.copytree(source, tmp_path, dirs_exist_ok=True)
    return tmp_path


def restored(folder: Path, **choice: list[str]) -> Restored:
    return restore(PublishedStudy(folder / "published"), Study(folder / "again"), problem, resolve, **choice)


def contents(folder: Path) -> Mapping[str, object]:
    return {
        record.plan.run_id: (record, *(column.tolist() for column in vars(trace).values()))
        for record, trace in Study(folder).records()
    }


def refusals(folder: Path) -> dict[str, str]:
    """Why runs were not restored, by the run, from the study's log."""
    lines = map(json.loads, (folder / "again" / "log.jsonl").read_text().splitlines())
    return {line["run_id"]: line["message"] for line in lines if line["event"] == "not restored"}


def test_a_restored_study_is_the_study_that_was_published(made: Path) -> None:
    """Records, values and all candidates, also those that were not published; and its report."""
    assert restored(made) == Restored(restored=RUNS, held=0, elsewhere=0, refused=0)
    assert contents(made / "again") == contents(made / "study")
    assert amb.open(made / "again").ranking.equals(amb.open(made / "study").ranking)


def test_a_restored_run_is_extended_without_measuring_it_again(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The longer runs are those of a study that was never published, and only new queries are evaluated."""
    amb.compare("random,climber", PROBLEMS, budget=50, seeds=2, study=made / "whole")
    restored(made)
    evaluated = []
    evaluate = FunctionProblem.evaluate

    def counted(self: FunctionProblem, candidates: np.ndarray, *rest: object, **more: object) -> object:
        evaluated.append(len(candidates))
        return evaluate(self, candidates, *rest, **more)

    monkeypatch.setattr(FunctionProblem, "evaluate", counted)
    amb.compare("random,climber", PROBLEMS, budget=50, seeds=2, study=made / "again")
    longer, whole = contents(made / "again"), contents(made / "whole")
    assert {run: rest for run, (_, *rest) in longer.items()} == {run: rest for run, (_, *rest) in whole.items()}
    trial = 2 * 10  # of each problem, before it is searched
    assert sum(evaluated) <= RUNS * 20 + trial, evaluated


def test_some_solvers_and_problems_can_be_chosen(made: Path) -> None:
    chosen = {"solvers": ["climber"], "problems": ["toy/bowl/near/1"]}
    assert restored(made, **chosen).restored == 2
    again = Study(made / "again")
    assert {(r.plan.solver, r.plan.problem) for r, _ in again.records()} == {("climber", "toy/bowl/near/1")}
    assert again.manifest.settings.solvers == ("climber",)
    assert amb.open(made / "again").verdict  # nothing that was not restored is missed
    assert restored(made) == Restored(restored=RUNS - 2, held=2, elsewhere=0, refused=0)
    with pytest.raises(SpecError, match=r"no runs of the solver climbr; did you mean climber\?"):
        restored(made, solvers=["climbr"])


def test_what_the_study_holds_is_left_as_it_is(made: Path) -> None:
    """A longer run stays; a run that another process works on is left to it."""
    amb.compare("climber", PROBLEMS, budget=40, seeds=2, study=made / "again")
    before = contents(made / "again")
    plan = next(r.plan for r, _ in Study(made / "study").records() if r.plan.solver == "random")
    claim = Study(made / "again").claim(plan)
    assert claim is not None
    with claim:
        assert restored(made) == Restored(restored=RUNS // 2 - 1, held=RUNS // 2, elsewhere=1, refused=0)
    assert before.items() <= contents(made / "again").items()


def test_a_run_that_failed_in_the_study_is_restored(made: Path) -> None:
    """A crash after 8 queries of 30 was taken for a run as long as the published one."""
    plan = next(record.plan for record, _ in Study(made / "study").records())
    loaded = Study(made / "study").load(plan)
    assert loaded is not None
    record, trace = loaded
    crash = replace(record, status="crash", queries=8, distinct=None, recommended=(), final=np.nan, message="no lamp")
    (made / "again").mkdir()
    Study(made / "again").save(crash, trace.first(8))
    assert restored(made).restored == RUNS
    assert contents(made / "again") == contents(made / "study")
    assert restored(made).held == RUNS


@pytest.mark.parametrize("journalled", [False, True])
def test_a_run_that_the_study_holds_with_another_outcome_is_not_replaced(made: Path, journalled: bool) -> None:
    """Neither a shorter run nor a journal, as of a machine whose floating point differs."""
    amb.compare("random", PROBLEMS, budget=20, seeds=1, study=made / "again")
    study = Study(made / "again")
    (record, trace), _ = study.records()
    other = replace(trace, values=trace.values / 2, clean=trace.clean / 2)
    write_run(study.run_file(record.plan.run_id), replace(record, final=record.final / 2), other)
    if journalled:
        study.run_file(record.plan.run_id).unlink()
        study.journal(record.plan, 6, Known(other)).close()
    before = contents(made / "again")
    done = restored(made, solvers=["random"])
    assert (done.restored, done.refused) == (RUNS // 2 - 1, 1)
    assert "hold different copies of it: query 1 has the value" in refusals(made)[record.plan.run_id]
    assert len(study.journals(record.plan.run_id)) == journalled
    assert (contents(made / "again").get(record.plan.run_id)) == before.get(record.plan.run_id)


@pytest.mark.parametrize("change", ["batch", "candidates", "recommendation", "error"])
def test_a_solver_that_asks_differently_is_not_restored(
    made: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Values would be attributed to candidates that never had them. The reason is said once and logged for each run."""
    cls = find("solvers", "climber").load()
    ask = cls._ask

    def different(self: amb.Solver, limit: int) -> np.ndarray:
        if change == "error" and self.asked > 10:
            raise RuntimeError("the lamp is broken")
        rows = ask(self, limit)
        if change == "batch" and self.asked > 10:
            return rows[:1]
        if change == "candidates" and self.asked > 10:
            rows[:, 0] = (rows[:, 0] + 1) % 16
        return rows

    monkeypatch.setattr(cls, "_ask", different)
    if change == "recommendation":
        monkeypatch.setattr(cls, "recommend", lambda self: np.zeros(6, dtype=np.int64))
    assert restored(made) == Restored(restored=RUNS // 2, held=0, elsewhere=0, refused=RUNS // 2)
    assert {record.plan.solver for record, _ in Study(made / "again").records()} == {"random"}
    assert len(refusals(made)) == RUNS // 2
    assert all(" climber #" in why for why in refusals(made).values())


def test_runs_that_no_replay_can_prove_are_refused(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed run, and runs of other weights, of another version of the solver and of a recording of neurons."""
    study = Study(made / "study")
    amb.compare("crasher", "toy/bowl/near/0", budget=30, seeds=1, study=study.folder)
    record, trace = next(pair for pair in study.records() if pair[0].plan.solver == "climber")
    plan = record.plan
    together = Recording((plan.problem, "toy/bowl/near/2"), (plan.fingerprint, plan.fingerprint), "recommend")
    others = {
        "networks or code have changed": replace(plan, fingerprint="of other weights"),
        "version 0 of the solver": replace(plan, version="0"),
        "recorded together": replace(plan, anytime=False, recording=together),
    }
    for other in others.values():
        study.save(replace(record, plan=other), trace)
    publish(study, made / "published")
    done = restored(made)
    assert (done.restored, done.refused) == (RUNS, 4)
    why = refusals(made)
    assert all(text in why[other.run_id] for text, other in others.items())
    assert sum(message.endswith("crasher #0 is not restored: it failed") for message in why.values()) == 1


def edited(folder: Path, edit: Callable[[dict[str, Any], dict[str, Any]], object], solver: str = "climber") -> None:
    """Change the record and the row of the runs of a solver in a published study, as any program may."""
    file = folder / "published" / "runs.parquet"
    rows = pq.read_table(file).to_pylist()
    for row in rows:
        record = json.loads(row["record"])
        if record["plan"]["solver"] == solver:
            edit(record, row)
            row |= {"record": json.dumps(record), "key": RunPlan.from_content(record["plan"]).run_id}
    write_table(file, pa.Table.from_pylist(rows, schema=SCHEMA), dictionaries=DICTIONARIES)


def test_a_final_value_that_was_never_measured_is_refused_alone(made: Path) -> None:
    """Once its candidate is known, the record contradicts the run's values; the other runs are restored."""

    def raised(record: dict[str, Any], row: dict[str, Any]) -> None:
        record["final"] += 0 if row["rows"] else 1

    edited(made, raised)
    assert restored(made) == Restored(restored=RUNS - 2, held=0, elsewhere=0, refused=2)
    assert all("but the candidate was measured as" in why for why in refusals(made).values())


def test_a_final_value_that_was_never_measured_is_not_ranked(made: Path) -> None:
    """A published study keeps no candidates of most runs, and each report believed any final value of these."""

    def raised(record: dict[str, Any], row: dict[str, Any]) -> None:
        record["final"] += 0 if row["rows"] else 1

    edited(made, raised)
    says = r"the run .* climber #\d .* is damaged: its final value is 1\.\d+, which none of its queries measured"
    with pytest.raises(StudyError, match=says):
        amb.open(made / "published")
    with pytest.raises(StudyError, match=says):
        write_leaderboard([made / "published"], made / "page.html")
    assert list(amb.open(made / "published", solvers="random").ranking["solver"]) == ["random"]
    edited(made, lambda record, row: record.update(recommended=[]))
    with pytest.raises(StudyError, match=r"its final value is [\d.]+, but it recommends no candidate"):
        amb.open(made / "published")


def test_a_recommended_candidate_that_was_never_asked_for_has_a_value_of_its_own(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Solvers may recommend what their model says; that is no contradiction."""
    cls = find("solvers", "climber").load()
    monkeypatch.setattr(cls, "recommend", lambda self: np.full(6, 3, dtype=np.int64))
    amb.compare("climber", PROBLEMS, budget=30, seeds=1, study=made / "model")
    publish(Study(made / "model"), made / "public")
    assert amb.open(made / "public").runs["final"].notna().all()


def test_a_solver_that_is_named_by_its_module_is_not_imported(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that somebody sent must not decide what runs here; its user may name the solver."""
    (made / "sent.py").write_text("from amb_solvers.search.random_search import *\nraise SystemExit('executed')")
    monkeypatch.syspath_prepend(made)
    edited(made, lambda record, _: record["plan"].update(solver="sent:Climber"))
    assert restored(made) == Restored(restored=RUNS // 2, held=0, elsewhere=0, refused=RUNS // 2)
    assert all("imported only if you name it with --solvers" in why for why in refusals(made).values())
    manifest = made / "published" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"climber"', '"sent:Climber"'))
    with pytest.raises(StudyError, match=r"names the solver sent:Climber by its module.*name it yourself"):
        amb.compare("random", study=made / "mine", with_reference=made / "published")
    assert "sent" not in sys.modules


EDITS: dict[str, tuple[Callable[[dict[str, Any], dict[str, Any]], object], str]] = {
    "more queries than the budget": (
        lambda record, _: record["plan"].update(budget=29),
        "ok with a budget of 29, .* 30",
    ),
    "fewer, and ok": (lambda record, _: record["plan"].update(budget=31), "ok with a budget of 31, .* 30"),
    "too many distinct": (lambda record, _: record.update(distinct=31), "31 of 30 candidates differ"),
    "none distinct": (lambda record, _: record.update(distinct=0), "0 of 30 candidates differ"),
    "a value that was not the best": (
        lambda _, row: row["values"].__setitem__(0, 99.0),
        "not those at which it improved",
    ),
}


@pytest.mark.parametrize(("edit", "why"), EDITS.values(), ids=EDITS)
def test_a_published_run_that_contradicts_itself_is_damaged(
    made: Path, edit: Callable[[dict[str, Any], dict[str, Any]], object], why: str
) -> None:
    edited(made, edit)
    with pytest.raises(StudyError, match=f"damaged at run .*{why}.*get a new copy"):
        list(PublishedStudy(made / "published").records())


def test_the_command_says_what_it_did(made: Path) -> None:
    words = ["study", "restore", str(made / "published"), str(made / "again"), "--solvers", "climber"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert re.search(r"restored +4", done.stdout)
    ran = ["run", "-s", "climber", "-p", PROBLEMS, "-b", "40", "--seeds", "2", "--study", str(made / "again")]
    assert CliRunner().invoke(app, ran).exit_code == 0
    assert {len(trace) for _, trace in Study(made / "again").records()} == {40}


def test_studies_are_published_as_one(made: Path) -> None:
    """More seeds, another solver and longer runs join a published study; a run that both have is taken once."""
    amb.compare("climber", "toy/bowl/near/0", budget=60, seeds=1, study=made / "more")
    amb.compare("random", PROBLEMS, budget=30, seeds="2..3", study=made / "more")
    published = PublishedStudy(made / "published")
    publish([published, Study(made / "more")], made / "both")
    both = {record.plan.run_id: (record, trace) for record, trace in PublishedStudy(made / "both").records()}
    assert len(both) == RUNS + 4
    for study in (Study(made / "study"), Study(made / "more")):
        for record, trace in study.records():
            kept, values = both[record.plan.run_id]
            if kept.plan.budget == record.plan.budget:
                assert kept == record
                np.testing.assert_array_equal(values.values, trace.values)
            else:
                assert (record.plan.budget, kept.plan.budget) == (30, 60)
    settings = PublishedStudy(made / "both").manifest.settings
    assert (set(settings.solvers), settings.seeds, settings.budget) == ({"random", "climber"}, (0, 1, 2, 3), 30)
