"""What the documentation shows is run here, as a newcomer would."""

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import nox
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), {})


def shell_lines(page: Path = ROOT / "README.md") -> list[str]:
    """Commands of a page that start with `amb`, and those behind the installation in its first command."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("amb ")]


@pytest.mark.parametrize(("page", "fewest"), [("README.md", 8), ("docs/studies.md", 9), ("docs/leaderboard.md", 4)])
def test_commands_run(tmp_path: Path, page: str, fewest: int) -> None:
    lines = shell_lines(ROOT / page)
    assert len(lines) >= fewest
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        done = subprocess.run(
            [sys.executable, "-m", "amb", *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"


@pytest.mark.slow
def test_the_first_command_ends_with_table_verdict_and_gallery(tmp_path: Path) -> None:
    """The installation is the gate's; here is what comes after it, exactly as written."""
    command = re.search(r"<!-- first command -->\n```sh\n(.*)\n```", README)
    assert command is not None
    words = shlex.split(command[1].split("/amb ")[1])
    done = subprocess.run(
        [sys.executable, "-m", "amb", *words], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    for expected in ("protes", "tt-b", "portfolio", "12 problems", "Wilcoxon"):
        assert expected in done.stdout
    assert (tmp_path / "amb-study" / "report" / "gallery.png").stat().st_size > 10_000


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.fixture(scope="module")
def sessions() -> dict[str, Any]:
    """What noxfile.py defines."""
    return runpy.run_path(str(ROOT / "noxfile.py"))


def test_the_gate_runs_the_readmes_test_command(sessions: dict[str, Any]) -> None:
    """`.ci/run` runs nox, whose session `tests` takes the command from README.md."""
    gate = ROOT / ".ci" / "run"
    assert os.access(gate, os.X_OK)
    assert '/bin/nox"' in gate.read_text(encoding="utf-8")
    assert "tests" in nox.options.sessions
    command = sessions["readme_command"]()
    assert command in README
    assert re.fullmatch(r"python3 -m venv .venv && .+ install .+ && .+ -m pytest .*", command)


def test_the_gate_works_in_a_copy_without_an_environment(sessions: dict[str, Any]) -> None:
    """So that the README's command can make `.venv` there, and the `.venv` of the checkout stays as it is."""
    copy = sessions["checkout"]()
    assert not copy.is_relative_to(ROOT)
    assert not list(copy.glob(".venv*"))
    for page in PAGES:
        assert (copy / page.relative_to(ROOT)).read_bytes() == page.read_bytes()
    assert (copy / "amb" / "study" / "study.py").is_file()
