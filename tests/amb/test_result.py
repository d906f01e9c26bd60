"""Results in Python and in notebooks: short, complete, and one call from figures and files."""

import dataclasses
import errno
import os
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import amb
from amb.run.progress import Progress
from amb_reports.tables.markdown import Markdown

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> amb.Result:
    return amb.compare(
        ["random", "one-plus-lambda"],
        "toy/snn-cnn/sn1/0..2",
        budget=20,
        seeds=3,
        study=tmp_path_factory.mktemp("results") / "study",
    )


def test_a_result_says_in_two_lines_what_came_out(result: amb.Result) -> None:
    """Not a dump of all tables: who, how much, the verdict."""
    first, verdict = repr(result).splitlines()
    assert "random" in first
    assert "3 problems, 18 runs" in first
    assert verdict == result.verdict


@pytest.mark.parametrize("stored", [False, True])
def test_a_result_is_pickled_with_its_tables(result: amb.Result, tmp_path: Path, stored: bool) -> None:
    """Of a study just run or opened, with open index: the copy gives the same tables, traces, images and runs."""
    if stored:
        result = amb.open(result.study.folder)
        assert next(result.study.compact_records())
    copy = pickle.loads(pickle.dumps(result))
    for name in ("runs", "ranking", "pairs"):
        pd.testing.assert_frame_equal(getattr(copy, name), getattr(result, name))
    assert (repr(copy), copy.settings, copy.warnings) == (repr(result), result.settings, result.warnings)
    cell = next(iter(result.traces))
    assert np.array_equal(copy.traces[cell], result.traces[cell])
    assert np.array_equal(copy.load(cell)[1].candidates, result.load(cell)[1].candidates)
    assert all(np.array_equal(a, b) for a, b in zip(copy.meis()["image"], result.meis()["image"], strict=True))


def test_a_notebook_shows_ranking_verdict_and_images(result: amb.Result) -> None:
    shown = result._repr_html_()
    text = re.sub("<[^>]+>", " ", shown)
    for solver in ("random", "one-plus-lambda"):
        assert solver in text
    assert "median activation" in text
    assert result.verdict.split(";")[0][:40] in text
    assert shown.count("data:image/png;base64,") == 3


def test_a_notebook_shows_names_and_messages_as_text(result: amb.Result) -> None:
    """A hostile solver's name cannot insert markup into a notebook."""
    from dataclasses import replace

    hostile = replace(result, _analysis=replace(result.analysis, verdict="<script>alert(1)</script>"))
    assert "<script>" not in hostile._repr_html_()


@pytest.mark.parametrize("kind", ["convergence", "figure-convergence", "heatmap", "gallery", "profile"])
def test_every_figure_is_one_call(result: amb.Result, kind: str) -> None:
    figure = result.plot(kind)
    assert isinstance(figure, Figure)
    # Notebooks show by themselves only figures that pyplot made; others need a face of their own.
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]


def test_an_unknown_figure_names_the_nearest(result: amb.Result) -> None:
    with pytest.raises(amb.AmbError, match="did you mean heatmap"):
        result.plot("heatmaps")


def test_a_result_is_saved_where_asked(result: amb.Result, tmp_path: Path) -> None:
    """The study's own report is not touched."""
    files = result.save(tmp_path / "here", reports=["csv", "figure-profile"])
    assert all(file.is_file() and file.is_relative_to(tmp_path / "here") for file in files)
    assert {file.name for file in files} >= {"ranking.csv", "profile.png"}


def test_a_result_is_saved_into_a_project_folder_as_a_whole(
    result: amb.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One with links, as environments have them; what an earlier comparison left is replaced only if all is written."""
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "python").symlink_to(sys.executable)
    result.save(tmp_path, ["csv", "markdown"])
    before = {file.name: file.stat().st_ino for file in tmp_path.iterdir()}

    def full(self: Markdown, data: object, folder: Path) -> list[Path]:
        (folder / "report.md").write_text("half of")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "report.md"))

    monkeypatch.setattr(Markdown, "write", full)
    with pytest.raises(amb.AmbError, match=f"into {tmp_path}: No space left"):
        result.save(tmp_path, ["csv", "markdown"])
    assert {file.name: file.stat().st_ino for file in tmp_path.iterdir()} == before


LOG = """
import amb

class Log(amb.Report):
    name = "log"

    def write(self, data, folder):
        with (folder / "history.txt").open("a") as file:
            file.write("again\\n")
        return [folder / "history.txt"]
"""


def test_a_report_of_others_finds_in_a_folder_what_is_there(result: amb.Result, tmp_path: Path) -> None:
    """As in a study's own report: it may append to its table, or spare what the user has edited."""
    from amb.catalogue.plugins import load_file, unload

    (tmp_path / "log.py").write_text(LOG)
    loaded = load_file(tmp_path / "log.py")
    for _ in range(2):
        files = result.save(tmp_path / "out", ["log", "csv"])
    unload(loaded)
    assert (tmp_path / "out" / "history.txt").read_text() == "again\nagain\n"
    assert {file.name for file in files} >= {"history.txt", "ranking.csv"}


def test_a_study_is_opened_again_without_running_anything(result: amb.Result) -> None:
    opened = amb.open(result.study.folder)
    assert isinstance(opened, amb.Result)
    assert opened.verdict == result.verdict
    assert len(opened.runs) == len(result.runs)


def test_progress_is_off_by_one_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default the display that fits; none for False; one's own if given."""
    from amb.run import display

    seen: list[str] = []

    class Spy(Progress):
        def end(self) -> None:
            seen.append("shown")

    monkeypatch.setattr(display, "default_display", Spy)
    ask = {"problems": "toy/snn-cnn/sn1/0", "budget": 2, "seeds": 1}
    amb.compare("random", study=tmp_path / "a", **ask)  # type: ignore[arg-type]
    assert seen == ["shown"]
    amb.compare("random", study=tmp_path / "b", progress=False, **ask)  # type: ignore[arg-type]
    assert seen == ["shown"]
    amb.compare("random", study=tmp_path / "c", progress=Spy(), **ask)  # type: ignore[arg-type]
    assert seen == ["shown", "shown"]


def test_the_package_names_its_version_and_only_its_public_names() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", amb.__version__)
    public = {name for name in dir(amb) if not name.startswith("_")}
    assert public == set(amb.__all__)
    assert all(getattr(amb, name) is not None for name in public)


def test_what_is_done_with_a_table_changes_no_later_result(result: amb.Result, tmp_path: Path) -> None:
    """Percent for a plot of one's own, rows left out, zeros in a trace: neither files nor figures follow."""
    before = {file.name: file.read_bytes() for file in result.save(tmp_path / "before", ["csv"])}
    image = result.meis()["image"].iloc[0].copy()
    analysis = result.analysis
    frames = [getattr(analysis, field.name) for field in dataclasses.fields(analysis)]
    for frame in [result.runs, result.ranking, result.pairs, result.meis(), analysis.table, *frames]:
        if isinstance(frame, pd.DataFrame):
            for column in frame.select_dtypes("number"):
                frame[column] *= 100
            frame.drop(index=list(frame.index), inplace=True)
    traces = result.traces
    with pytest.raises(ValueError, match="read-only"):
        next(iter(traces.values()))[:] = 0
    traces.clear()  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="read-only"):
        result.meis()["image"].iloc[0][:] = 0
    result.settings["problems"] = []
    assert {file.name: file.read_bytes() for file in result.save(tmp_path / "after", ["csv"])} == before
    assert (result.meis()["image"].iloc[0] == image).all()
    assert result.plot("ranks").axes


def test_a_report_of_others_receives_tables_of_its_own(result: amb.Result, tmp_path: Path) -> None:
    """A plug-in that changes its data in place changes no report that is written after it."""
    from amb.catalogue.plugins import load_file
    from amb.reports.write import write_reports

    file = tmp_path / "spoils.py"
    file.write_text(
        "import amb\n\n\nclass Spoils(amb.Report):\n    name = 'spoils'\n\n    def write(self, data, folder):\n"
        "        for table in (data.runs, data.analysis.ranking, data.analysis.scored, data.meis()):\n"
        "            table.drop(index=list(table.index), inplace=True)\n"
        "        data.traces.clear()\n        return []\n",
        encoding="utf-8",
    )
    load_file(file)
    plain, spoilt = (tmp_path / name for name in ("plain", "spoilt"))
    write_reports(result, ["csv", "markdown"], folder=plain)
    written = write_reports(result, ["spoils", "csv", "markdown"], folder=spoilt)
    assert not written.failures
    assert {f.name: f.read_bytes() for f in spoilt.iterdir()} == {f.name: f.read_bytes() for f in plain.iterdir()}


def test_what_a_report_does_to_the_process_reaches_no_other_code(
    result: amb.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one that had closed stdout, the rest of a command printed nothing, and its status was 1."""
    from amb.catalogue.plugins import load_file
    from amb.reports.write import write_reports

    monkeypatch.chdir(tmp_path)
    Path("closes.py").write_text(
        "import os, sys\n\nimport amb\n\n\nclass Closes(amb.Report):\n    name = 'closes'\n\n"
        "    def write(self, data, folder):\n        os.chdir('/')\n        sys.stdout = None\n        return []\n",
        encoding="utf-8",
    )
    load_file("closes.py")
    before = sys.stdout
    assert not write_reports(result, ["closes"], folder="reports").failures
    assert (Path.cwd(), sys.stdout) == (tmp_path, before)


def test_dimensions_are_those_of_stored_runs_where_none_recommends_a_candidate(tmp_path: Path) -> None:
    """A unit that never responds, whose network is not here: both exports of the whole study failed."""
    dead = amb.FunctionProblem(lambda rows: np.full(len(rows), np.nan), amb.Space.uniform(3, 8), id="dead/p/q/0")
    good = amb.FunctionProblem(lambda rows: rows.mean(axis=1), amb.Space.uniform(4, 8), id="good/p/q/0")
    amb.compare(["random"], [dead, good], budget=10, seeds=1, study=tmp_path / "study")
    opened = amb.open(tmp_path / "study")
    assert (opened.dimensions("dead/p/q/0"), opened.dimensions("good/p/q/0")) == (3, 4)
