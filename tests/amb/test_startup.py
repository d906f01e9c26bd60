"""Commands that only list or count start without the heavy libraries, so that they answer at once."""

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from amb.catalogue.suites import suite, suite_names

HEAVY = {"torch", "pandas", "scipy", "matplotlib", "numba", "jax", "nevergrad"}
STUDY = Path(__file__).parent.parent / "data" / "study-0.1"


@pytest.mark.parametrize("command", ["--version", "solvers list", "problems list", "study status study"])
def test_what_only_lists_imports_no_heavy_library(command: str, tmp_path: Path) -> None:
    """Each of these libraries takes longer to import than the whole command takes without it."""
    shutil.copytree(STUDY, tmp_path / "study", ignore=shutil.ignore_patterns("journal"))
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "amb", *command.split()],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in run.stderr.splitlines()}
    assert "amb" in imported
    assert not HEAVY & imported


def test_the_version_names_every_suite_and_imports_no_command() -> None:
    """As reports name them; without the libraries of the commands, which take longer to import."""
    code = "import sys; sys.argv[1:] = ['--version']; from amb.cli import main; main(); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    amb_line, *suites, modules = run.stdout.splitlines()
    assert amb_line == f"amb {version('amb')}"
    named = " ".join(suites).removeprefix("suites: ").split(", ")
    assert named == [f"{name}-{suite(name).version}" for name in suite_names()]
    assert not {"typer", "rich"} & set(modules.split())
