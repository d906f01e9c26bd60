"""Files that amb replaces are its own: a user's of the same name stays, and commands say so before they begin."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import amb
from amb.catalogue.plugins import load_class, plugins
from amb.catalogue.reference_points import file_of
from amb.cli.app import app
from amb.errors import AmbError, StudyError
from amb.meis.write import check_tables, write_tables
from amb.paper.claims import claim_table
from amb.paper.report import check_paper
from amb.paper.verdict import Claim
from amb.reports import write
from amb.reports.contract import Report
from amb.reports.write import WrittenReports, check_reports, is_own, write_reports
from amb.study.interchange import csv_text
from amb.study.own_files import PAGE, Form, picture, refuse_others, table
from amb.study.study import Study

QUICK = file_of("quick").name

REFUSED = [
    ("claims.csv", ["paper", "--study", "OWN"]),
    ("paper.html", ["paper", "--study", "OWN"]),
    *((f"{name}.csv", ["analyse", "absent", "--out", "OWN"]) for name in ("meis", "distances", "layers", "ratios")),
    ("meis.parquet", ["analyse", "absent", "--out", "OWN"]),
    ("atlas.html", ["atlas", "mnist-snn", "--study", "OWN"]),
    ("analysis/layers.csv", ["atlas", "mnist-snn", "--study", "OWN"]),
    (QUICK, ["references", "quick", "--out", "OWN", "--data", "absent"]),
    ("demo.png", ["demo", "--out", "OWN/demo.png"]),
    ("one.svg", ["problems", "show", "mnist-sngan/mnist-snn/out/3", "--out", "OWN/one.svg"]),
]


@pytest.mark.parametrize(("name", "words"), REFUSED, ids=[f"{words[0]} {name}" for name, words in REFUSED])
@pytest.mark.parametrize("content", ["mine\n", "name,age\nann,3\n", "FOLDER"])
def test_a_users_file_is_refused_before_anything_is_done(
    tmp_path: Path, name: str, words: list[str], content: str
) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    if content == "FOLDER":
        file.mkdir()
    else:
        file.write_text(content)
    before = sorted(tmp_path.rglob("*"))
    done = CliRunner().invoke(app, [word.replace("OWN", str(tmp_path)) for word in words])
    assert isinstance(done.exception, AmbError)
    said = "is a folder" if content == "FOLDER" else "exists and is not"
    assert said in str(done.exception)
    assert str(file) in str(done.exception)
    assert sorted(tmp_path.rglob("*")) == before
    assert file.is_dir() or file.read_text() == content


def test_what_amb_wrote_is_replaced(tmp_path: Path) -> None:
    """Tables with and without rows, and those of earlier versions, which lacked columns."""
    amb.compare("random", "mnist-sngan/mnist-snn/out/8", budget=4, seeds=1, study=tmp_path / "s")
    measures = amb.analyse(tmp_path / "s")
    assert measures.ratios.empty
    for _ in range(2):
        assert len(write_tables(measures, tmp_path / "out")) == 6
    (tmp_path / "claims.csv").write_text(csv_text(claim_table([Claim("4.1", "c", "h", "f", 1, 1, 1, 0, 2)])))
    (tmp_path / "paper.html").write_text("<!doctype html>\n")
    check_paper(tmp_path)
    (tmp_path / "out" / "layers.csv").write_text("\ufeffgenerator,target,layer,units\r\n")  # as a spreadsheet saves it
    (tmp_path / "out" / "ratios.csv").write_text(csv_text(measures.ratios.iloc[:, :0]))
    (tmp_path / "out" / "meis.csv").write_text("")
    (tmp_path / "out" / "meis.parquet").write_bytes(b"PAR1 damaged")
    check_tables(tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "form", "is_own"),
    [
        (b"a,b,c\n1,2,3\n", table("a", "b"), True),
        (b'"b","a"\n', table("a", "b"), True),
        (b"a;b;c\n", table("a", "b"), False),
        (b"ab\n1\n", table("a", "b"), False),
        (b"\x00\xff\x00\n", table("a", "b"), False),
        (b"\n\n1,2\n", table("a", "b"), False),
        (b"  <!DOCTYPE HTML>", PAGE, True),
        (b"text", PAGE, False),
        (b"\x89PNG\r\n", picture(Path("a.PNG")), True),
        (b"\x89PNG\r\n", picture(Path("a.svg")), False),
        (b"anything", picture(Path("a.unknown")), True),
    ],
)
def test_forms_of_files(tmp_path: Path, content: bytes, form: Form, is_own: bool) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(content)
    if is_own:
        refuse_others({file: form}, "move it")
        return
    with pytest.raises(AmbError, match=r"file\.csv exists and is not .*; move it"):
        refuse_others({file: form}, "move it")


def test_a_pipe_is_refused_and_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "page.html")
    with pytest.raises(AmbError, match="not a regular file"):
        refuse_others({tmp_path / "page.html": PAGE}, "move it")


IOH = '{"version": "0.3.18", "suite": "BBOB", "algorithm": {"name": "mine", "info": "a week of work"}}'


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with its report."""
    study = tmp_path_factory.mktemp("own") / "study"
    words = ["random,one-plus-lambda,gradient", "mnist-sngan/mnist-snn/out/8,mnist-sngan/mnist-snn/out/3"]
    amb.compare(*words, budget=6, seeds=2, study=study).save(study / "report")
    return study


def test_reports_are_written_again(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file of theirs that is declared is there, and is taken for what it is; others' hidden files stay."""
    declared = {
        name
        for plugin in plugins("reports").values()
        if is_own(plugin)
        for name in (*load_class(plugin, Report).own_files(), *load_class(plugin, Report).replaces)
    }
    found = {path.name for path in (saved / "report").iterdir()}
    assert declared - found <= {"across.csv"}
    assert found <= declared
    assert sum(path.is_file() for path in (saved / "report").rglob("*")) > 30
    kept = ["ioh/.gitignore", "coco/random/.notes", "coco/.git/config", "coco/.DS_Store", "ioh/Thumbs.db"]
    for file in (saved / "report" / name for name in kept):
        file.parent.mkdir(exist_ok=True)
        file.write_text("mine")
    (saved / "report" / "coco" / "mine").mkdir()
    check_reports(saved / "report")
    monkeypatch.chdir(saved / "report")
    assert CliRunner().invoke(app, ["report", ".."]).exit_code == 0
    assert Path.cwd() == saved / "report", "not a deleted folder"
    amb.open(saved).save(saved / "report")
    assert [(saved / "report" / name).read_text() for name in kept] == ["mine"] * len(kept)
    assert (saved / "report" / "coco" / "mine").is_dir()


def test_what_a_smaller_comparison_does_not_write_is_gone(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables of the comparison before, or of one that ended meanwhile, stood beside those of this one."""
    study = tmp_path / "study"
    shutil.copytree(saved, study)
    report = study / "report"
    (report / "across.csv").write_text("first,second,problems,p_holm\n")
    for page in (2, 3):
        shutil.copy(report / "gallery.png", report / f"gallery-{page}.png")
    mine = report / "gallery-4.png"
    mine.write_bytes(b"\x89PNG\r\n of a camera")
    outdated = ["across.csv", "trials.csv", "ranks.png", "ranks.svg", "gallery-2.png", "gallery-3.png"]
    assert {*outdated} <= {path.name for path in report.iterdir()}
    others = {name: (report / name).read_bytes() for name in outdated}
    result = amb.compare("random", "mnist-sngan/mnist-snn/out/8", budget=6, seeds=2, study=study)
    write_reports(result, ["csv", "figure-ranks", "figure-gallery"])
    assert not [name for name in outdated if (report / name).exists()]

    def meanwhile(*arguments: object) -> WrittenReports:
        for name, content in others.items():
            (report / name).write_bytes(content)
        return write_all(*arguments)

    write_all = write._write_all
    monkeypatch.setattr(write, "_write_all", meanwhile)
    write_reports(result, ["csv", "figure-ranks", "figure-gallery"])
    assert not [name for name in outdated if (report / name).exists()]
    assert (pd.read_csv(report / "ranking.csv")["solver"] == "random").all()
    assert mine.exists()
    assert (report / "report.md").exists(), "of a report that was not asked for"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *((f"{name}.csv", "name,age\n") for name in ("ranking", "pairs", "runs", "problem_tests", "trials", "ert")),
        *(
            (name, "mine")
            for name in ("runs.parquet", "traces.parquet", "leaderboard.html", "ranks.png", "heatmap.svg")
        ),
        *((name, "mine") for name in ("report.md", "ranking.tex", "pairs.tex", "coco", "ioh")),
        ("coco/annotations/instances.json", "{}"),
        ("coco/problems.csv.bak", "mine"),
        ("ioh/mine/IOHprofiler_f1_Sphere.json", IOH),
        ("ioh/notes.txt", "mine"),
    ],
)
def test_reports_replace_no_file_of_the_users(saved: Path, tmp_path: Path, name: str, content: str) -> None:
    """A data set called coco was deleted; `amb compare` says so before it runs anything."""
    own = tmp_path / "report" / name
    own.parent.mkdir(parents=True)
    own.write_text(content)
    words = ["compare", "-s", "random", "-p", "mnist-sngan/mnist-snn/out/8", "--study", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, StudyError)
    assert str(own) in str(done.exception)
    assert str(done.exception).endswith("; move it away")
    with pytest.raises(StudyError, match="move it away"):
        amb.open(saved).save(tmp_path / "report")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [own]
    assert own.read_text() == content


def test_reports_and_tables_leave_a_study_readable(tmp_path: Path) -> None:
    """Tables among its runs were damaged runs to every command, and a `runs.parquet` made it a published study."""
    result = amb.compare("random", "toy/snn-cnn/sn1/0", budget=5, seeds=1, study=tmp_path / "st")
    before = {path: path.read_bytes() for path in (tmp_path / "st").rglob("*.parquet")}
    with pytest.raises(StudyError, match=r"st is a study, and runs\.parquet would make it look like a published one"):
        result.save(tmp_path / "st")
    with pytest.raises(StudyError, match=r"runs belongs to the study .*; choose another folder"):
        result.save(tmp_path / "st" / "runs")
    for words in (
        ["analyse", "STUDY", "--out", "STUDY/runs"],
        ["leaderboard", "STUDY", "--out", "STUDY/runs/page.html"],
    ):
        done = CliRunner().invoke(app, [word.replace("STUDY", str(tmp_path / "st")) for word in words])
        assert isinstance(done.exception, StudyError)
        assert "belongs to the study" in str(done.exception)
    assert {path: path.read_bytes() for path in (tmp_path / "st").rglob("*.parquet")} == before
    assert result.save(tmp_path / "st" / "tables", ["parquet"])
    assert len(amb.open(tmp_path / "st").runs) == 1


def test_nothing_is_appended_to_a_users_log(tmp_path: Path) -> None:
    """Many programs write a log.jsonl; a study's own stays in use, also where its manifest was lost."""
    (tmp_path / "log.jsonl").write_text('{"epoch": 1, "loss": 0.5}\n')
    with pytest.raises(StudyError, match=r"log\.jsonl exists and is not a study's log; move it away"):
        Study(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]
    (tmp_path / "log.jsonl").unlink()
    Study(tmp_path).log.write("info", "started")
    Study(tmp_path).log.write("info", "started again")
    assert [line["event"] for line in Study(tmp_path).log.read()] == ["started", "started again"]
