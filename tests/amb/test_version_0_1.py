"""Studies that version 0.1 wrote are read, extended and compared as if nothing had moved.

`tests/data/study-0.1` holds finished, failed and interrupted runs of that version: of an anytime solver, of tensor
trains, of one that plans for its budget and of a crashing one, on single units, a group, noise of the measurement and
of the input, and codes in an order. `study-0.1-finished.json` is what the same version made of it when it went on.
Tensor trains have another version now, so that their runs are made anew and the old ones stay as they are.
"""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import amb
from amb.catalogue.plugins import load_file
from amb.comparison.compare import reopen
from amb.study.health import study_status
from amb.study.journal import SUFFIX, Journal, read_journal
from amb.study.published import open_study
from amb.study.runs import Known, RunRecord, Trace
from amb.study.study import Study
from amb.study.traces import read_run

DATA = Path(__file__).parents[1] / "data"
PLUGIN = Path(__file__).parents[1] / "plugins" / "crashing.py"


def digest(trace: Trace) -> str:
    found = hashlib.sha256()
    for column in (trace.candidates, trace.values, trace.clean, trace.batches):
        found.update(np.ascontiguousarray(column.astype(f"<{column.dtype.kind}8")).tobytes())
    return found.hexdigest()[:32]


def content(record: RunRecord, trace: Trace) -> dict[str, object]:
    return {
        "run": record.plan.name,
        "budget": record.plan.budget,
        "status": record.status,
        "final": None if np.isnan(record.final) else record.final,
        "recommended": hashlib.sha256(json.dumps(list(record.recommended)).encode()).hexdigest()[:16],
        "trace": digest(trace),
    }


@pytest.fixture
def study(tmp_path: Path) -> Study:
    load_file(PLUGIN)
    return Study(shutil.copytree(DATA / "study-0.1", tmp_path / "study"))


@pytest.fixture
def same_images(study: Study) -> None:
    """Generators compute in floating point: another kind of processor may round a pixel otherwise."""
    for record, trace in study.records():
        problem = amb.problem(record.plan.problem.split("[noise")[0])
        clean = type(problem).evaluate_together([problem], [trace.candidates]).clean[0]
        if not np.array_equal(clean, trace.clean):
            pytest.skip(f"this processor rounds images of {record.plan.problem} otherwise than the study's did")


@pytest.mark.usefixtures("same_images")
def test_an_interrupted_study_continues_with_the_same_bits(study: Study) -> None:
    asked = study.manifest.settings
    before = {path.name for path in (study.folder / "journal").glob("*.arrows")}
    assert len(before) == 20
    amb.compare(asked.solvers, asked.problems, budget=40, seeds=2, study=study.folder)
    left = [read_journal(path) for path in (study.folder / "journal").iterdir()]
    assert {journal.plan.solver for journal in left if journal and journal.plan} == {"tt-s"}
    expected = json.loads((DATA / "study-0.1-finished.json").read_text())
    unchanged = {run_id: run for run_id, run in expected.items() if " tt-s #" not in run["run"]}
    found = {record.plan.run_id: content(record, trace) for record, trace in study.records()}
    assert {run_id: found[run_id] for run_id in unchanged} == unchanged


def test_finished_runs_are_not_repeated(study: Study) -> None:
    before = {path: path.read_bytes() for path in (study.folder / "runs").glob("*.parquet")}
    asked = study.manifest.settings
    # Portfolio plans for its budget: of it there are runs of both budgets.
    result = amb.compare([*asked.solvers, "crashing"], asked.problems, budget=12, seeds=2, study=study.folder)
    assert {path: path.read_bytes() for path in before} == before
    made = set((study.folder / "runs").glob("*.parquet")) - set(before)
    assert {read_run(path)[0].plan.solver for path in made} == {"tt-s"}
    assert len(result.runs) == 50
    assert int((result.runs["status"] == "crash").sum()) == 10


def test_a_published_study_reads_as_the_study_it_came_from(study: Study) -> None:
    published = open_study(DATA / "published-0.1")
    for record, trace in study.records():
        found = next(pair for pair in published.records() if pair[0].plan == record.plan)
        assert found[0] == record or (np.isnan(record.final) and np.isnan(found[0].final))
        assert np.array_equal(found[1].values, trace.values, equal_nan=True)


def test_it_reports_what_it_holds(study: Study) -> None:
    result = reopen(study.folder, solvers=["random", "tt-s", "cma-diagonal"], budget=12)
    assert set(result.ranking["solver"]) == {"random", "tt-s", "cma-diagonal"}
    assert result.runs["status"].eq("ok").all()


def test_a_journal_continues_in_the_current_format_and_the_longer_of_two_counts(study: Study) -> None:
    """Killed between writing the new journal and deleting the old one, a study holds both."""
    old = next((study.folder / "journal").glob("*.arrows"))
    found = read_journal(old)
    assert found is not None
    assert found.plan is not None
    plan, known, content = found.plan, found.known, old.read_bytes()
    d = known.trace.candidates.shape[1]
    study.journal(plan, d, known).close()
    assert not old.exists()
    assert study.journals(plan.run_id) == [study.journal_file(plan.run_id)]
    again = study.unfinished(plan)
    assert again is not None
    assert (digest(again.trace), again.seconds) == (digest(known.trace), known.seconds)
    study.journal(plan, d, Known(known.trace.first(1))).close()
    old.write_bytes(content)
    longer = study.unfinished(plan)
    assert longer is not None
    assert digest(longer.trace) == digest(known.trace)
    study.drop_journal(plan, len(known.trace))
    assert study.journals(plan.run_id) == []


def test_a_study_that_todays_version_wrote_to_is_marked_for_version_0_1(study: Study) -> None:
    """Else version 0.1 would take today's run files for damaged ones and move them away."""
    assert study.manifest.schema == 1
    amb.compare("random", study.manifest.settings.problems, budget=14, seeds=2, study=study.folder)
    assert json.loads((study.folder / "manifest.json").read_text())["schema"] == 2


def test_the_longer_of_two_journals_of_a_run_counts(study: Study) -> None:
    """Version 0.1 does not know today's journals, so that a run may have both."""
    before = study_status(study)
    path = next((study.folder / "journal").glob("*.arrows"))
    found = read_journal(path)
    assert found is not None
    candidates, values, clean = found.known.trace.rows(0, 3)
    with Journal(path.with_suffix(SUFFIX), candidates.shape[1], plan=found.plan) as journal:
        journal.append(candidates, values, clean)
    assert study_status(study).under_way == before.under_way
