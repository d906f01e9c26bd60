"""Imports point one way: the layers in pyproject.toml hold, no modules import each other, and the check can fail."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import networkx
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "amb": ROOT / "amb",
    "amb_problems": ROOT / "problems" / "amb_problems",
    "amb_solvers": ROOT / "solvers" / "amb_solvers",
    "amb_reports": ROOT / "reports" / "amb_reports",
}


def lint_imports(sources: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run import-linter with the project's contracts, on the installed packages or on copies in a folder."""
    environment = dict(os.environ) if sources is None else {**os.environ, "PYTHONPATH": str(sources)}
    run = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    words = ["--no-cache", "--no-logo", str(ROOT / "pyproject.toml")]
    return subprocess.run(
        [sys.executable, "-P", "-c", run, *words],
        cwd=ROOT if sources is None else sources,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def graph() -> grimp.ImportGraph:
    """Every import of the four packages: at the top of a module, inside functions, and for types only."""
    return grimp.build_graph(*PACKAGES, cache_dir=None)


def circles(imports: grimp.ImportGraph) -> list[list[str]]:
    """Groups of modules each of which imports all others of its group, directly or through them."""
    arrows = networkx.DiGraph()
    for module in imports.modules:
        arrows.add_edges_from((module, other) for other in imports.find_modules_directly_imported_by(module))
    return [sorted(group) for group in networkx.strongly_connected_components(arrows) if len(group) > 1]


def test_the_layers_hold() -> None:
    done = lint_imports()
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles(graph()) == []


def test_every_module_is_checked() -> None:
    """A folder without `__init__.py` would be passed over by the check."""
    files = {
        ".".join((name, *path.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")
        for name, folder in PACKAGES.items()
        for path in folder.rglob("*.py")
    }
    assert files <= graph().modules


def test_every_room_has_a_layer() -> None:
    """`exhaustive` makes import-linter refuse a new subpackage that no layer names."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    inside = [contract for contract in settings["contracts"] if "containers" in contract]
    assert {container for contract in inside for container in contract["containers"]} == set(PACKAGES)
    assert all(contract["exhaustive"] for contract in inside)


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """The source files of the four packages in one folder, free to be changed."""
    for name, folder in PACKAGES.items():
        for path in folder.rglob("*.py"):
            copy = tmp_path / name / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "forbidden"),
    [
        ("amb/study/runs.py", "from amb.run import plan"),
        ("amb/stats/pairs.py", "def late():\n    import amb.contracts.space"),
        ("amb/contracts/space.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import amb.study.study"),
        ("amb/run/plan.py", "import amb_solvers.gradient"),
        ("amb_reports/captions.py", "import amb_solvers.gradient"),
        ("amb_solvers/shared/digits.py", "from amb_solvers.search import annealing"),
    ],
    ids=["up", "deferred", "for types only", "from the core to a package", "between packages", "between solvers"],
)
def test_a_forbidden_import_is_found(copies: Path, file: str, forbidden: str) -> None:
    path = copies / file
    path.write_text(path.read_text(encoding="utf-8") + f"\n\n{forbidden}\n", encoding="utf-8")
    done = lint_imports(copies)
    assert done.returncode == 1, done.stdout + done.stderr
    importer = file.removesuffix(".py").replace("/", ".")
    assert "BROKEN" in done.stdout
    assert f"{importer} ->" in done.stdout.replace("\n", " ")


def test_the_copies_hold_until_they_are_changed(copies: Path) -> None:
    """Otherwise the tests above would pass whatever import they add."""
    done = lint_imports(copies)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_circle_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "amb_with_a_circle"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "first.py").write_text("from amb_with_a_circle import second\n", encoding="utf-8")
    (package / "second.py").write_text("def late():\n    from amb_with_a_circle import first\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    imports = grimp.build_graph("amb_with_a_circle", cache_dir=None)
    assert circles(imports) == [["amb_with_a_circle.first", "amb_with_a_circle.second"]]
