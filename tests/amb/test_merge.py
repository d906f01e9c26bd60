"""Merging: the longer copy of a run stays if it continues the other; a contradiction refuses the whole merge."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from typer.testing import CliRunner

import amb
from amb import FunctionProblem, Space
from amb.cli.app import app
from amb.errors import AmbError, StudyError
from amb.reports.write import write_leaderboard
from amb.run.execute import execute
from amb.stats import Question
from amb.study.health import examine
from amb.study.journal import read_journal
from amb.study.manifest import Environment, Settings
from amb.study.merge import merge
from amb.study.published import PublishedStudy, open_study, publish
from amb.study.runs import Known, RunPlan, Seconds, Trace
from amb.study.study import Study
from amb.study.traces import read_run

SPACE = Space.uniform(6, 16)


def plan(seed: int, budget: int = 20, solver: str = "random[k=5]") -> RunPlan:
    return RunPlan("p/q/r/0", "print", solver, "1", seed, budget)


def study_with(folder: Path, *plans: RunPlan, shift: float = 0.0) -> Study:
    study = Study(folder)
    settings = Settings(
        solvers=tuple(sorted({p.solver for p in plans})),
        problems=("p/q/r/0",),
        seeds=tuple(sorted({p.seed for p in plans})),
        budget=max(p.budget for p in plans),
    )
    study.describe(plans, settings)
    make = lambda spec: FunctionProblem(lambda rows: np.sin(rows).mean(axis=1) + shift, SPACE, id=spec)  # noqa: E731
    execute(plans, study, make)
    return study


def content(folder: Path) -> dict[str, bytes]:
    """All files of a study but its log, byte for byte."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "log.jsonl"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def rewritten(study: Study, of: RunPlan, **changes: object) -> None:
    loaded = study.load(of)
    assert loaded is not None
    study.save(replace(loaded[0], **changes), loaded[1])


def part_of(study: Study, of: RunPlan, queries: int) -> None:
    """Leave only a journal of a finished run, as its process had been killed after so many queries."""
    loaded = study.load(of)
    assert loaded is not None
    trace = loaded[1]
    sizes = trace.batches[: queries // 5]
    head = Trace(*trace.rows(0, queries), sizes)
    study.run_file(of.run_id).unlink()
    study.journal(of, SPACE.d, Known(head, Seconds(1.0))).close()


def test_three_hundred_studies_become_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)  # 1,200 waits for a disk prove nothing here
    template = study_with(tmp_path / "template", plan(0))
    loaded = template.load(plan(0))
    assert loaded is not None
    for i in range(300):
        part = Study(tmp_path / f"part-{i}")
        part.save(replace(loaded[0], plan=plan(i)), loaded[1])
        settings = structs.replace(template.manifest.settings, seeds=(i,))
        part.rewrite_manifest(lambda _, settings=settings: structs.replace(template.manifest, settings=settings))  # type: ignore[misc]
    done = merge(tmp_path / "all", [tmp_path / f"part-{i}" for i in range(300)])
    assert (done.studies, done.added, done.lengthened, done.runs) == (300, 300, 0, 300)
    merged = open_study(tmp_path / "all")
    assert isinstance(merged, Study)
    assert merged.manifest.settings.seeds == tuple(range(300))
    for i in range(300):
        key = plan(i).run_id
        assert merged.run_file(key).read_bytes() == Study(tmp_path / f"part-{i}").run_file(key).read_bytes()


def test_merging_is_idempotent(tmp_path: Path) -> None:
    for name, seeds in (("a", (0, 1)), ("b", (1, 2))):
        study_with(tmp_path / name, *map(plan, seeds))
    merge(tmp_path / "all", [tmp_path / "a", tmp_path / "b"])
    first = content(tmp_path / "all")
    done = merge(tmp_path / "all", [tmp_path / "b", tmp_path / "a"])
    assert (done.added, done.lengthened) == (0, 0)
    assert content(tmp_path / "all") == first
    execute([plan(i) for i in range(3)], Study(tmp_path / "all"), pytest.fail)  # nothing is left to run


@pytest.mark.parametrize("longer_first", [True, False])
def test_the_longer_copy_of_a_run_stays(tmp_path: Path, longer_first: bool) -> None:
    study_with(tmp_path / "short", plan(0, 18))  # the last batch is cut
    long = study_with(tmp_path / "long", plan(0, 40))
    names = ["long", "short"] if longer_first else ["short", "long"]
    done = merge(tmp_path / names[0], [tmp_path / names[1]])
    assert done.lengthened == (not longer_first)
    merged = Study(tmp_path / names[0])
    assert merged.run_file(plan(0).run_id).read_bytes() == long.run_file(plan(0).run_id).read_bytes()
    assert merged.manifest.settings.budget == 18


def contradict_value(study: Study) -> None:
    loaded = study.load(plan(1))
    assert loaded is not None
    loaded[1].values[7] += 1e-9
    study.save(*loaded)


def contradict_candidate(study: Study) -> None:
    loaded = study.load(plan(1))
    assert loaded is not None
    loaded[1].candidates[3, 2] = (loaded[1].candidates[3, 2] + 1) % 16
    study.save(*loaded)


def contradict_end(study: Study) -> None:
    rewritten(study, plan(1), final=0.123, recommended=(0,) * SPACE.d)


@pytest.mark.parametrize(
    ("contradict", "words"),
    [
        (contradict_value, "query 8 has the value 0."),
        (contradict_candidate, "query 4 asks for different candidates"),
        (contradict_end, "recommended is"),
    ],
)
def test_a_contradiction_is_refused_with_both_sides_named_and_nothing_written(
    tmp_path: Path, contradict: Callable[[Study], None], words: str
) -> None:
    ours = study_with(tmp_path / "ours", plan(0), plan(1))
    theirs = study_with(tmp_path / "theirs", plan(1), plan(2))
    contradict(theirs)
    before = content(tmp_path / "ours"), content(tmp_path / "theirs")
    done = CliRunner().invoke(app, ["merge", str(tmp_path / "ours"), str(tmp_path / "theirs")])
    assert isinstance(done.exception, StudyError)
    message = str(done.exception)
    assert words in message
    assert str(ours.run_file(plan(1).run_id)) in message
    assert str(theirs.run_file(plan(1).run_id)) in message
    assert (content(tmp_path / "ours"), content(tmp_path / "theirs")) == before
    with pytest.raises(StudyError, match="nothing was merged"):
        merge(tmp_path / "new", [tmp_path / "ours", tmp_path / "theirs"])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("contradict", [contradict_value, contradict_candidate, contradict_end])
@pytest.mark.parametrize("theirs_first", [True, False])
def test_publishing_refuses_what_merging_refuses(
    tmp_path: Path, contradict: Callable[[Study], None], theirs_first: bool
) -> None:
    """Of two runs of one cell with different content neither is chosen; the line names the cell and both studies."""
    studies = [study_with(tmp_path / "ours", plan(0), plan(1)), study_with(tmp_path / "theirs", plan(1), plan(2))]
    contradict(studies[1])
    with pytest.raises(StudyError) as refused:
        publish(studies[::-1] if theirs_first else studies, tmp_path / "new")
    for words in (*(str(study.folder) for study in studies), plan(1).name, "nothing was published", "delete it there"):
        assert words in str(refused.value)
    assert not (tmp_path / "new").exists()


def test_a_published_copy_contradicts_a_study_too(tmp_path: Path) -> None:
    """Where candidates were not kept, values and recommendations are still compared."""
    publish(study_with(tmp_path / "ours", plan(0), plan(1)), tmp_path / "published")
    theirs = study_with(tmp_path / "theirs", plan(1), plan(2))
    published = PublishedStudy(tmp_path / "published")
    publish([published, theirs], tmp_path / "both")
    assert len(list(PublishedStudy(tmp_path / "both").records())) == 3
    contradict_end(theirs)
    with pytest.raises(StudyError, match=r"hold different copies of the run .*: recommended is"):
        publish([published, theirs], tmp_path / "none")


def test_a_shorter_copy_that_a_budget_cut_within_a_batch_is_published_as_the_longer_one(tmp_path: Path) -> None:
    publish(study_with(tmp_path / "short", plan(0, 18)), tmp_path / "published")
    long = study_with(tmp_path / "long", plan(0, 40))
    for first in (PublishedStudy(tmp_path / "published"), Study(tmp_path / "short")):
        publish([first, long], tmp_path / "both")
        assert [record.queries for record, _ in PublishedStudy(tmp_path / "both").records()] == [40]


def test_a_longer_run_that_began_differently_is_refused(tmp_path: Path) -> None:
    study_with(tmp_path / "short", plan(0, 20))
    study_with(tmp_path / "long", plan(0, 40), shift=1e-12)
    with pytest.raises(StudyError, match="query 1 has the value"):
        merge(tmp_path / "short", [tmp_path / "long"])


def test_a_run_that_ended_well_answers_for_one_that_failed(tmp_path: Path) -> None:
    failed = study_with(tmp_path / "failed", plan(0))
    rewritten(failed, plan(0), status="timeout", message="out of time", recommended=(), final=np.nan)
    good = study_with(tmp_path / "good", plan(0))
    merge(tmp_path / "failed", [tmp_path / "good"])
    assert failed.run_file(plan(0).run_id).read_bytes() == good.run_file(plan(0).run_id).read_bytes()
    assert merge(tmp_path / "failed", [tmp_path / "good"]).lengthened == 0


def test_journals_go_along_where_they_reach_farther(tmp_path: Path) -> None:
    finished = study_with(tmp_path / "finished", plan(0))
    part_of(study_with(tmp_path / "killed", plan(0), plan(1)), plan(0), 10)
    part_of(Study(tmp_path / "killed"), plan(1), 10)
    part_of(study_with(tmp_path / "earlier", plan(1)), plan(1), 5)
    done = merge(tmp_path / "all", [tmp_path / name for name in ("earlier", "killed", "finished")])
    assert (done.runs, done.unfinished) == (1, 1)
    merged = Study(tmp_path / "all")
    assert merged.run_file(plan(0).run_id).read_bytes() == finished.run_file(plan(0).run_id).read_bytes()
    assert not merged.journal_file(plan(0).run_id).exists()
    carried = read_journal(merged.journal_file(plan(1).run_id))
    assert carried is not None
    assert carried.plan == plan(1)
    assert len(carried.known.trace) == 10
    assert carried.known.seconds == Seconds(1.0)


def test_a_run_that_ends_in_its_own_study_meanwhile_is_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its journal was read, and is gone when it is copied; the finished run stands beside it."""
    study_with(tmp_path / "ours", plan(1))
    part_of(study_with(tmp_path / "theirs", plan(0)), plan(0), 10)
    copy, ended = shutil.copyfile, []

    def meanwhile(*files: Path) -> object:
        if not ended:
            ended.append(study_with(tmp_path / "theirs", plan(0)))
        return copy(*files)

    monkeypatch.setattr(shutil, "copyfile", meanwhile)
    done = merge(tmp_path / "all", [tmp_path / "ours", tmp_path / "theirs"])
    assert ended
    assert (done.added, done.runs, done.unfinished) == (2, 2, 0)
    merged = {record.plan.seed: record.queries for record, _ in Study(tmp_path / "all").records()}
    assert merged == {0: 20, 1: 20}


def test_a_journal_is_deleted_when_its_finished_run_is_merged(tmp_path: Path) -> None:
    part_of(study_with(tmp_path / "killed", plan(0)), plan(0), 10)
    study_with(tmp_path / "finished", plan(0))
    merge(tmp_path / "killed", [tmp_path / "finished"])
    assert list(content(tmp_path / "killed")) == ["manifest.json", f"runs/{plan(0).run_id}.parquet"]


def test_a_journal_that_contradicts_a_run_is_refused(tmp_path: Path) -> None:
    part_of(study_with(tmp_path / "killed", plan(0), shift=1.0), plan(0), 10)
    study_with(tmp_path / "finished", plan(0))
    with pytest.raises(StudyError, match=r"journal.*has the value"):
        merge(tmp_path / "finished", [tmp_path / "killed"])


@pytest.mark.parametrize(("frame", "told"), [(0, "from its beginning"), (1, "after 5 queries")])
@pytest.mark.parametrize("of", ["into", "source"])
def test_a_damaged_journal_stops_the_merge_and_the_doctor_says_where(
    frame: int, told: str, of: str, tmp_path: Path
) -> None:
    """It counted as a short one, or as none: the queries behind the damage were gone, and nobody was told."""
    part_of(study_with(tmp_path / "source", plan(0)), plan(0), 15)
    part_of(study_with(tmp_path / "into", plan(1)), plan(1), 15)
    study, of_plan = Study(tmp_path / of), plan(0 if of == "source" else 1)
    path = study.journal_file(of_plan.run_id)
    damaged = bytearray(path.read_bytes())
    first = damaged.index(b"\n") + 1
    damaged[first + frame * (len(damaged) - first) // 3 + 50] ^= 1
    path.write_bytes(damaged)
    before = content(tmp_path)
    with pytest.raises(StudyError, match=f"{path} is damaged {told}"):
        merge(tmp_path / "into", [tmp_path / "source"])
    assert content(tmp_path) == before
    (finding,) = examine(study)
    assert f"damaged {told}" in finding.what
    damaged[first + frame * (len(damaged) - first) // 3 + 50] ^= 1
    path.write_bytes(damaged[: first + (len(damaged) - first) // 2])  # torn instead, in the second of three batches
    merge(tmp_path / "into", [tmp_path / "source"])


def test_manifests_are_united(tmp_path: Path) -> None:
    study_with(tmp_path / "a", plan(0, 30))
    b, another = study_with(tmp_path / "b", plan(4, 20, solver="random")), Environment("another")
    b.rewrite_manifest(lambda old: structs.replace(old, environment=another))
    merge(tmp_path / "all", [tmp_path / "a", tmp_path / "b"])
    manifest = Study(tmp_path / "all").manifest
    assert manifest.solvers == {"random": "1", "random[k=5]": "1"}
    assert manifest.settings.solvers == ("random[k=5]", "random")
    assert manifest.settings.seeds == (0, 4)
    assert manifest.settings.budget == 20
    assert manifest.environments == (Study(tmp_path / "a").manifest.environment, another)
    Study(tmp_path / "all").describe([plan(9)], Settings())
    assert len(Study(tmp_path / "all").manifest.environments) == 2


def test_seconds_of_several_machines_do_not_compare_wherever_they_meet(tmp_path: Path) -> None:
    """In two studies, in one that was merged of them, and in one that goes on on another machine."""

    def ran(name: str, solvers: str, **options: object) -> amb.Comparison:
        problem = amb.objective(np.sum, [(0, 1)] * 2, name="sum")
        return amb.compare(solvers, problem, budget=4, seeds=2, timing=True, study=tmp_path / name, **options)  # type: ignore[arg-type]

    assert ran("here", "random,random-prior").runs["timing"].all()
    ran("there", "snes,cma")
    other = Environment(processor="another", cores=64)
    Study(tmp_path / "there").rewrite_manifest(lambda old: structs.replace(old, environment=other))
    with pytest.raises(AmbError, match="not timed alone on one machine"):
        write_leaderboard([tmp_path / "here", tmp_path / "there"], tmp_path / "page.html", Question("seconds"))
    merge(tmp_path / "all", [tmp_path / "here", tmp_path / "there"])
    with pytest.raises(AmbError, match=r"not timed alone on one machine.*in a new study"):
        write_leaderboard([tmp_path / "all"], tmp_path / "page.html", Question("seconds"))
    with pytest.raises(AmbError, match=r"not timed alone on one machine.*in a new study"):
        amb.open(tmp_path / "all", Question("seconds"))
    with pytest.raises(AmbError, match="begun on another one: name a new folder"):
        ran("there", "snes,cma,random", metric="seconds")
    went_on = ran("there", "snes,cma,random")
    assert not went_on.runs["timing"].any()
    assert "runs of several machines" in " ".join(went_on.notes)
    assert Study(tmp_path / "there").manifest.environments[0] == other


def test_what_cannot_be_merged_says_so(tmp_path: Path) -> None:
    study = study_with(tmp_path / "a", plan(0))
    publish(study, tmp_path / "published")
    assert isinstance(open_study(tmp_path / "published"), PublishedStudy)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    for into, sources, words in [
        ("all", ["published"], "published study"),
        ("a", ["a"], "merged into itself"),
        ("full", ["a"], "exists and is not a study"),
        ("all", ["nowhere"], "is not a study"),
        ("all", [], "nothing to merge"),
    ]:
        with pytest.raises(StudyError, match=words):
            merge(tmp_path / into, [tmp_path / name for name in sources])
    assert not (tmp_path / "all").exists()


def test_a_study_in_use_is_not_merged_into(tmp_path: Path) -> None:
    study, _ = study_with(tmp_path / "a", plan(0)), study_with(tmp_path / "b", plan(1))
    with study.enter(), pytest.raises(StudyError, match="other processes are working on it"):
        merge(tmp_path / "a", [tmp_path / "b"])
    with study.enter(alone=True), pytest.raises(StudyError, match="needs it exclusively"):
        execute([plan(0)], study, pytest.fail)
    assert merge(tmp_path / "a", [tmp_path / "b"]).added == 1


def test_a_study_that_a_merge_creates_is_in_use_until_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No run, and no second merge, comes between what the merge decided and what it writes."""
    study_with(tmp_path / "a", plan(0)), study_with(tmp_path / "b", plan(1))
    copy, tried = shutil.copyfile, []

    def meanwhile(*files: Path) -> object:
        for work in (lambda: merge(tmp_path / "all", [tmp_path / "b"]), lambda: study_with(tmp_path / "all", plan(2))):
            with pytest.raises(StudyError, match="is in use"):
                work()
            tried.append(work)
        return copy(*files)

    monkeypatch.setattr(shutil, "copyfile", meanwhile)
    assert merge(tmp_path / "all", [tmp_path / "a"]).runs == 1
    assert len(tried) == 2


def test_a_study_that_began_while_the_others_were_read_is_merged_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its longer run stays, and its manifest names all that it was asked for."""
    study_with(tmp_path / "a", plan(0), plan(1))

    def meanwhile(path: Path) -> object:
        monkeypatch.setattr("amb.study.copies.read_run", read_run)
        study_with(tmp_path / "all", plan(0, 40), plan(3, 40, solver="random"))
        return read_run(path)

    monkeypatch.setattr("amb.study.copies.read_run", meanwhile)
    done = merge(tmp_path / "all", [tmp_path / "a"])
    assert (done.added, done.lengthened, done.runs) == (1, 0, 3)
    merged = Study(tmp_path / "all")
    assert sorted((record.plan.seed, record.queries) for record, _ in merged.records()) == [(0, 40), (1, 20), (3, 40)]
    assert merged.manifest.settings.solvers == ("random", "random[k=5]")
    assert merged.manifest.settings.seeds == (0, 1, 3)


@pytest.mark.parametrize("timing", [False, True])
def test_a_command_that_is_refused_leaves_the_manifest_as_it_was(tmp_path: Path, timing: bool) -> None:
    """Reports are of what a study was last asked for, which is not what was refused."""
    study = study_with(tmp_path / "a", plan(0))
    before = content(tmp_path / "a")
    with study.enter(alone=not timing), pytest.raises(StudyError, match="is in use"):
        study.describe([plan(1)], Settings(timing=timing))
    assert content(tmp_path / "a") == before


def test_a_timing_study_needs_the_folder_exclusively(tmp_path: Path) -> None:
    study = study_with(tmp_path / "a", plan(0))
    with study.enter(), pytest.raises(StudyError, match="other processes are working on it"):
        execute([plan(0)], study, pytest.fail, timing=True)
    with study.enter():
        execute([plan(0)], study, pytest.fail)  # with other processes present, nothing is left to run


def test_the_command_counts(tmp_path: Path) -> None:
    study_with(tmp_path / "a", plan(0))
    done = CliRunner().invoke(app, ["merge", str(tmp_path / "all"), str(tmp_path / "a"), "--json"])
    assert json.loads(done.stdout) == {
        "studies": 1,
        "added": 1,
        "lengthened": 0,
        "runs": 1,
        "unfinished": 0,
        "notes": [],
    }


def test_what_studies_hold_of_different_networks_is_said(tmp_path: Path) -> None:
    """Half of the runs were kept in silence, and a report called them not finished."""
    a, b = plan(0), replace(plan(1), fingerprint="another")
    study_with(tmp_path / "a", a)
    study_with(tmp_path / "b", b)
    for words, first in (
        (["merge", "all", "a", "b"], "a"),
        (["merge", "all", "b"], "all"),
        (["publish", "a", "b", "published"], "a"),
    ):
        done = CliRunner().invoke(app, [words[0], *(str(tmp_path / name) for name in words[1:])])
        assert done.exit_code == 0, done.output
        apart = f"{tmp_path / 'b'} has different weights or another grid for p/q/r/0 than {tmp_path / first}"
        assert f"Note: {apart}; no table compares the runs of both." in done.output
    for folder in ("all", "published"):
        done = CliRunner().invoke(app, ["report", str(tmp_path / folder)])
        assert "1 run with other weights, another grid or another version" in " ".join(
            f"{done.stdout} {done.exception}".split()
        )


@pytest.mark.parametrize("begun", [["runs"], ["runs", "journal", "report"], ["runs", ".manifest.lock"]])
def test_a_merge_that_was_interrupted_while_it_created_its_folder_can_be_repeated(
    tmp_path: Path, begun: list[str]
) -> None:
    study_with(tmp_path / "ours", plan(0))
    (tmp_path / "new").mkdir()
    for name in begun:
        (tmp_path / "new" / name).mkdir() if not name.startswith(".") else (tmp_path / "new" / name).touch()
    done = CliRunner().invoke(app, ["merge", str(tmp_path / "new"), str(tmp_path / "ours")])
    assert done.exit_code == 0, done.exception
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    done = CliRunner().invoke(app, ["merge", str(tmp_path / "mine"), str(tmp_path / "ours")])
    assert "is not a study" in str(done.exception)
