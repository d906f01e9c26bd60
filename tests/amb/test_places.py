"""Places and texts that users give: what cannot be used is refused in one line, and nothing else happens."""

import os
from pathlib import Path

import pytest
from commands import command

from amb.catalogue.plugins import load_file
from amb.errors import PluginError, SpecError, StudyError
from amb.reports.write import write_leaderboard
from amb.study.durable import write_whole
from amb.study.study import Study


@pytest.mark.parametrize("part", ["runs", "journal", "report", "damaged"])
def test_a_link_to_itself_in_a_study_is_refused(tmp_path: Path, part: str) -> None:
    (tmp_path / part).symlink_to(part)
    with pytest.raises(StudyError, match=r"link"):
        Study(tmp_path)


def test_a_plugin_file_that_is_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop.py").symlink_to("loop.py")
    with pytest.raises(PluginError, match=r"link|no plug-in file"):
        load_file(tmp_path / "loop.py")


def test_a_file_without_a_name_or_with_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="it is a folder"):
        write_whole(Path(), "text")
    with pytest.raises(StudyError, match="not UTF-8"):
        write_whole(tmp_path / "a.txt", "caf\udce9")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", [".", "/"])
def test_a_leaderboard_in_the_place_of_a_folder_is_refused_before_any_work(tmp_path: Path, file: str) -> None:
    with pytest.raises(StudyError, match="--out names the file"):
        write_leaderboard([tmp_path / "absent"], file)


def test_a_page_replaces_pages_only(tmp_path: Path) -> None:
    """`--out STUDY/manifest.json` cost a study its manifest."""
    file = tmp_path / "manifest.json"
    for text in ('{"schema": 2}', "import amb\n"):
        file.write_text(text)
        with pytest.raises(StudyError, match="exists and is not a page in HTML; choose another file"):
            write_leaderboard([tmp_path / "absent"], file)
        assert file.read_text() == text
    for text in ("", "<!DOCTYPE html>\n<html>", "<html>"):
        file.write_text(text)
        with pytest.raises(StudyError, match="absent"):  # the next thing that is checked
            write_leaderboard([tmp_path / "absent"], file)


def test_a_title_that_is_not_utf8_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="title"):
        write_leaderboard([tmp_path / "absent"], tmp_path / "a.html", title="caf\udce9")


@pytest.mark.parametrize(
    "words",
    [
        ["paper", "--curve-budget", "-1"],
        ["references", "quick", "--out", "FILE/x"],
        ["train", "snn-cnn", "--data", "FILE", "--minutes", "nan"],
        ["train", "snn-cnn", "--data", "FILE", "--seed", "-1"],
    ],
)
def test_options_are_checked_before_hours_of_work(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "FILE").touch()
    done = command(*words, cwd=tmp_path, seconds=60)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert any(word in done.stderr for word in ("curve-budget", "cannot write into", "minutes", "the seed"))
    assert [path.name for path in tmp_path.iterdir()] == ["FILE"]


def test_what_is_not_a_regular_file_is_never_replaced(tmp_path: Path) -> None:
    """As root in a container, `--out /dev/null` would take it from the whole machine; a pipe needs no rights."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(StudyError, match="not a regular file"):
        write_whole(pipe, "text")
    assert pipe.is_fifo()
