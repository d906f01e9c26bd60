"""A published study: small, complete, and comparable with new runs."""

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import amb
from amb import FunctionProblem, Space
from amb.catalogue.plugins import find, load_file
from amb.cli.app import app
from amb.comparison.compare import reopen
from amb.errors import StudyError
from amb.reports.write import write_leaderboard
from amb.study.durable import write_together
from amb.study.health import examine, examine_published
from amb.study.published import PublishedStudy, open_study, publish
from amb.study.study import Study
from amb.study.tables import read_columns
from amb_solvers.search.random_search import RandomSearch

PROBLEMS = "toy/bowl/near/*"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    load_file(Path(__file__).parents[1] / "plugins" / "toy.py")
    home = Path(tmp_path_factory.mktemp("source"))
    amb.compare("random,climber", PROBLEMS, budget=40, seeds=3, study=home / "study")
    publish(Study(home / "study"), home / "published")
    return home


@pytest.fixture
def made(source: Path, tmp_path: Path) -> Path:
    """A study of two solvers, and the same published."""
    shutil.copytree(source, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_every_value_and_recommendation_is_kept(made: Path) -> None:
    """Records and values are the study's; candidates stand where the best run improved, and -1 elsewhere."""
    study, published = Study(made / "study"), PublishedStudy(made / "published")
    pairs = list(zip(study.records(), published.records(), strict=True))
    assert len(pairs) == 24
    for (record, trace), (again, kept) in pairs:
        assert again == record
        np.testing.assert_array_equal(kept.values, trace.values)
        np.testing.assert_array_equal(kept.clean, trace.clean)
        np.testing.assert_array_equal(kept.batches, trace.batches)
        there = (kept.candidates >= 0).all(axis=1)
        np.testing.assert_array_equal(kept.candidates[there], trace.candidates[there])
    with_candidates = [r.plan for (r, _), (_, kept) in pairs if (kept.candidates >= 0).any()]
    assert len({(p.problem, p.solver) for p in with_candidates}) == len(with_candidates) == 8


def test_the_best_run_of_every_version_keeps_its_candidates(tmp_path: Path) -> None:
    """Reports count the runs of one version only, which may not be the one with the best run."""
    space, study = Space.uniform(6, 16), Study(tmp_path / "study")
    problem = FunctionProblem(lambda rows: rows.mean(axis=1), space, id="own/mean/l/0")
    versions = [type("Fixed", (RandomSearch,), {"version": version}) for version in ("1", "2")]
    for version in versions:
        amb.compare([version], [problem], budget=20, seeds=2, study=study.folder, progress=False)
    publish(study, tmp_path / "published")
    kept = [r.plan.version for r, t in PublishedStudy(tmp_path / "published").records() if (t.candidates >= 0).any()]
    assert sorted(kept) == ["1", "2"]


def test_a_published_study_gives_the_same_comparison(made: Path) -> None:
    """The tables of the study can be made again from the two files alone."""
    full, small = reopen(made / "study"), reopen(made / "published")
    assert small.verdict == full.verdict
    assert small.ranking.equals(full.ranking)
    assert small.meis()["activation"].equals(full.meis()["activation"])


def test_a_newcomer_stands_beside_the_stored_runs(made: Path) -> None:
    """Only the newcomer runs; problems, budget and seeds are the reference's."""
    result = amb.compare("climber[batch=2]", study=made / "mine", with_reference=made / "published")
    assert set(result.ranking["solver"]) == {"climber[batch=2]", "random", "climber"}
    assert len(result.runs) == 36
    assert len(list((made / "mine" / "runs").iterdir())) == 12
    again = reopen(made / "mine", reference=made / "published")
    assert again.ranking.equals(result.ranking)


def test_a_reference_that_does_not_fit_says_why(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another budget, another problem, other weights, another version of a solver."""
    beside = {"study": made / "mine", "with_reference": made / "published"}
    with pytest.raises(StudyError, match="with a budget of 40 and the seeds 0, 1, 2, not with a budget of 30"):
        amb.compare("climber[batch=2]", budget=30, **beside)
    with pytest.raises(StudyError, match="no run on toy/bowl/far/0"):
        amb.compare("climber[batch=2]", "toy/bowl/far/0", **beside)
    monkeypatch.setattr(find("solvers", "climber").load(), "version", "2")
    with pytest.raises(StudyError, match="it has climber in version 1, and version 2 is installed here"):
        amb.compare("random", **beside)


def test_another_machine_is_noted(made: Path) -> None:
    """Seconds of one processor say nothing about another's."""
    manifest = made / "study" / "manifest.json"
    content = json.loads(manifest.read_text())
    content["environment"] |= {"processor": "Babbage's mill", "packages": {"numpy": "0.1"}}
    manifest.write_text(json.dumps(content))
    publish(Study(made / "study"), made / "published")
    result = amb.compare("climber[batch=2]", study=made / "mine", with_reference=made / "published")
    assert any("Babbage's mill" in warning and "seconds are not comparable" in warning for warning in result.warnings)
    assert any("numpy 0.1" in warning for warning in result.warnings)


def test_damage_is_found(made: Path) -> None:
    """A flipped byte of the data is noticed, and the message names the file."""
    file = made / "published" / "runs.parquet"
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 0x55
    file.write_bytes(content)
    with pytest.raises(StudyError, match=r"runs\.parquet"):
        list(open_study(made / "published").records())


def test_nothing_to_publish_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no finished run"):
        publish(Study(tmp_path / "empty"), tmp_path / "out")


def test_the_command_says_sizes_and_refuses_in_a_line(made: Path) -> None:
    """A small study has kilobytes, not 0.00 MB; what is published already is refused without a box about usage."""
    done = CliRunner().invoke(app, ["publish", str(made / "study"), str(made / "again")])
    assert done.exit_code == 0
    assert re.search(r"runs\.parquet \([1-9]\d* kB\)", done.stdout.replace("\n", ""))
    refused = CliRunner().invoke(app, ["publish", str(made / "published"), str(made / "again")])
    assert isinstance(refused.exception, StudyError)
    assert "is already published: copy its two files" in str(refused.exception)


def test_a_study_is_never_published_into(made: Path) -> None:
    """Its own folder, or another study's, would then be read as a published one, and show no run that is added."""
    amb.compare("random", PROBLEMS, budget=10, seeds=1, study=made / "other")
    for folder in (made / "study", made / "other"):
        before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        with pytest.raises(StudyError, match=r"manifest\.json of its own.*another folder"):
            publish(Study(made / "study"), folder)
        assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_nothing_is_published_or_run_among_the_files_of_a_study(made: Path) -> None:
    """A published study in `runs/` was a damaged run of its own source, which no command could read any more."""
    study = Study(made / "study")
    for name in ("runs", "journal"):
        with pytest.raises(StudyError, match=rf"study/{name} belongs to the study .*; choose another folder"):
            publish(study, study.folder / name)
        with pytest.raises(StudyError, match="choose another folder"):
            Study(study.folder / name)
    assert not (study.folder / "runs" / "manifest.json").exists()


def test_one_process_publishes_into_a_folder_at_a_time(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs of one and the manifest of the other would be a study that neither published."""
    study, refused = Study(made / "study"), []

    def meanwhile(files: dict[Path, bytes]) -> None:
        for file in files:
            with pytest.raises(StudyError, match="is in use: another process works on it"):
                publish(study, file.parent)
            refused.append(file.name)
        write_together(files)

    monkeypatch.setattr("amb.study.published.write_together", meanwhile)
    for folder in ("published", "new"):
        publish(study, made / folder)
    assert refused == ["runs.parquet", "manifest.json"] * 2


def test_a_published_study_that_grows_is_claimed_while_it_is_read(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process adds to it in the meantime would be lost."""
    study, records, refused = Study(made / "study"), Study.records, []

    def meanwhile(self: Study) -> object:
        monkeypatch.setattr(Study, "records", records)
        with pytest.raises(StudyError, match="is in use: another process works on it") as error:
            publish(study, made / "published")
        refused.append(error)
        return records(self)

    monkeypatch.setattr(Study, "records", meanwhile)
    publish([PublishedStudy(made / "published"), study], made / "published")
    assert refused


@pytest.mark.parametrize(
    "second",
    [
        {"problems": "toy/bowl/near/1"},
        {"solvers": "climber[batch=2]"},
        {"problems": "toy/bowl/near/1", "seeds": 3},
        {"problems": "toy/bowl/near/1", "seeds": [0, 2, 5]},
        {"solvers": "climber", "seeds": [2]},
    ],
)
def test_a_run_published_with_another_budget_is_named_with_a_command_that_reports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: dict[str, Any]
) -> None:
    """The message named the smallest budget of all, which had just been asked for."""
    load_file(Path(__file__).parents[1] / "plugins" / "toy.py")
    monkeypatch.chdir(tmp_path)
    first: dict[str, Any] = {"solvers": "random,climber[batch=3]", "problems": "toy/bowl/near/0", "seeds": 2}
    amb.compare(**first, budget=8, study="q1")
    amb.compare(**{**first, **second}, budget=5, study="q2")
    publish([Study("q1"), Study("q2")], tmp_path / "a study")
    with pytest.raises(StudyError, match="this run was published with 8 queries") as refused:
        reopen("a study")
    advice = re.search("`amb (report [^`]*)`", str(refused.value))
    assert advice
    monkeypatch.setattr("amb.cli.reporting.print_and_write", lambda *_, **__: None)  # figures take seconds
    result = CliRunner().invoke(app, shlex.split(advice[1]))
    assert result.exit_code == 0, result.output


def test_a_run_that_was_published_with_no_budget_is_said_to_be_missing(made: Path) -> None:
    with pytest.raises(StudyError, match="seed 7 and 40 queries, and holds it with no other budget; `amb leaderboard"):
        reopen(made / "published", seeds=[7])


def test_failed_runs_are_findings_as_in_the_study(tmp_path: Path) -> None:
    """A third party who checked what was published was told that no run failed."""
    load_file(Path(__file__).parents[1] / "plugins" / "toy.py")
    amb.compare("random,crasher", "toy/bowl/near/0", budget=10, seeds=2, study=tmp_path / "study")
    publish(Study(tmp_path / "study"), tmp_path / "published")
    own = {finding.what for finding in examine(Study(tmp_path / "study"))}
    found = examine_published(PublishedStudy(tmp_path / "published"))
    assert len(found) == 2
    assert {f"{finding.what}; --retry resumes it" for finding in found} == own
    assert {finding.repair for finding in found} == {"none"}
    said = CliRunner().invoke(app, ["study", "doctor", str(tmp_path / "published")]).output
    assert "failed (" in said
    assert "no run failed" not in said


@pytest.mark.parametrize("other", ["manifest.json", "runs.parquet"])
def test_two_files_that_are_not_of_one_publication_are_found(made: Path, other: str) -> None:
    """As a process that dies between them leaves them; how the manifest is laid out says nothing."""
    amb.compare("random", PROBLEMS, budget=10, seeds=4, study=made / "more")
    publish([Study(made / "study"), Study(made / "more")], made / "grown")
    manifest = made / "grown" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_bytes())))
    assert examine_published(PublishedStudy(made / "grown")) == []
    shutil.copy(made / "published" / other, made / "grown" / other)
    (found,) = examine_published(PublishedStudy(made / "grown"))
    assert "it is not the manifest that runs.parquet was written with" in found.what
    with pytest.raises(StudyError, match=r"manifest\.json: it is not the manifest that .*; publish again, or get both"):
        write_leaderboard([made / "grown"], made / "page.html")
    manifest.write_text("{")
    (found,) = examine_published(PublishedStudy(made / "grown"))
    assert "manifest.json is damaged" in found.what
    manifest.unlink()
    (found,) = examine_published(PublishedStudy(made / "grown"))
    assert "its publishing was interrupted; repeat the `amb publish`" in found.what


def test_a_published_study_grows_after_a_kill_between_its_files(made: Path) -> None:
    """Its own manifest is then that of before; the same command repairs it."""
    amb.compare("random", PROBLEMS, budget=10, seeds=4, study=made / "further")
    growing = made / "growing"
    publish(Study(made / "study"), growing)
    before = (growing / "manifest.json").read_bytes()
    publish([PublishedStudy(growing), Study(made / "further")], growing)
    after = (growing / "manifest.json").read_bytes()
    assert before != after
    (growing / "manifest.json").write_bytes(before)
    done = CliRunner().invoke(app, ["publish", str(growing), str(made / "further"), str(growing)])
    assert done.exit_code == 0, done.output
    assert (growing / "manifest.json").read_bytes() == after
    assert examine_published(PublishedStudy(growing)) == []
    amb.compare("climber", PROBLEMS, budget=10, seeds=1, study=made / "others")
    publish(Study(made / "others"), made / "others-published")
    shutil.copy(made / "others-published" / "manifest.json", growing)
    with pytest.raises(StudyError, match="it is not the manifest"):  # and does not name all solvers either
        publish([PublishedStudy(growing), Study(made / "others")], growing)


def test_nothing_is_run_into_a_published_study(made: Path) -> None:
    """Runs that are added to it would be shown by no report, and its manifest would promise what it does not hold."""
    before = {path.name: path.read_bytes() for path in (made / "published").iterdir()}
    with pytest.raises(
        StudyError,
        match=r"is a published study .* takes no more runs; name another folder, .* amb study restore \S+ FOLDER$",
    ):
        amb.compare("random,climber", PROBLEMS, budget=40, seeds=4, study=made / "published")
    assert {path.name: path.read_bytes() for path in (made / "published").iterdir()} == before
    assert reopen(made / "published").ranking.equals(reopen(made / "study").ranking)


def test_no_thread_of_arrows_reads_ahead(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that outlived the end of the interpreter aborted the process: status 134, in a third of short commands."""
    opened: list[object] = []
    sound = pq.ParquetFile

    def noted(*words: object, **options: object) -> pq.ParquetFile:
        opened.append(options.get("pre_buffer"))
        return sound(*words, **options)

    monkeypatch.setattr(pq, "ParquetFile", noted)
    assert list(PublishedStudy(made / "published").records())
    assert list(Study(made / "study").records())
    read_columns((made / "published" / "runs.parquet").read_bytes(), most=1 << 20, decoded=1 << 28)
    assert len(opened) >= 4
    assert set(opened) == {False}
