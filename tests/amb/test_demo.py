"""The first five minutes: a first result in seconds, and lists that say what each thing is."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from amb.catalogue.plugins import Plugin, plugins
from amb.catalogue.summaries import folder, summary
from amb.cli.app import app
from amb.cli.half_blocks import side_by_side

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_demo_finds_an_image_and_says_what_to_do_next(tmp_path: Path) -> None:
    """One command, no arguments: an image that beats random ones, saved, and the next command."""
    shown = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "truck.png")])
    assert shown.exit_code == 0, shown.output
    assert "reaches 0.99" in shown.output.replace("\n", " ")
    assert "amb compare --solvers" in shown.output
    with Image.open(tmp_path / "truck.png") as picture:
        assert picture.size == (256, 256)


def test_the_demo_names_a_file_that_it_cannot_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from amb.cli import demo
    from amb.errors import DataError

    (tmp_path / "file").write_text("")
    for place in ("file/such.png", "such", "such.nothing"):
        with pytest.raises(DataError, match="choose another file with --out"):
            demo._save(np.zeros((4, 4, 3), np.uint8), tmp_path / place)
    demo._save(np.zeros((4, 4, 3), np.uint8), tmp_path / "new" / "folder" / "such.png")


@pytest.mark.parametrize("channels", [1, 3])
def test_a_terminal_image_has_two_pixels_per_character(channels: int) -> None:
    images = [np.full((32, 32, channels), value, np.uint8) for value in (0, 255)]
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="truecolor")
    console.print(side_by_side(images, side=6))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert shown.count("▀") == 2 * 6 * 3
    assert "38;2;0;0;0;48;2;0;0;0m" in shown
    assert "38;2;255;255;255;48;2;255;255;255m" in shown


def test_every_solver_is_listed_with_a_sentence() -> None:
    """Names alone do not help to choose; no sentence is cut short or longer than three lines of a terminal."""
    for plugin in plugins("solvers").values():
        words = summary(plugin)
        assert 15 < len(words) < 150, plugin.name
        assert not words.endswith("."), plugin.name
    assert folder(plugins("solvers")["tt-b"]) == "tensor train"
    rows = json.loads(CliRunner().invoke(app, ["solvers", "list", "--json"]).stdout)
    assert {"solver", "family", "method", "from", "defined in"} == set(rows[0])


def test_a_plugin_without_source_or_docs_is_listed_without_a_sentence() -> None:
    for location in ("no_such_package.module:Solver", "math:sqrt", "amb_solvers.search.random_search:NoSuchClass"):
        assert summary(Plugin("solvers", "x", location, "somewhere 1", _entry=object())) == ""  # type: ignore[arg-type]
