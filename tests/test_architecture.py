"""Imports point one way, and files are written by one helper; both checks can fail."""

import ast
import os
import re
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


WRITERS = {
    "write_text", "write_bytes", "to_csv", "to_parquet", "to_json", "to_pickle", "to_feather", "to_hdf", "to_excel",
    "savefig", "imsave", "imwrite", "savez", "savez_compressed", "savemat", "savetxt", "tofile", "write_table",
    "copyfile", "copytree", "copy2", "move", "touch",
}  # fmt: skip
"""Functions of any library that write a file."""

MODULE_WRITERS = {
    ("os", "replace"), ("os", "rename"), ("os", "link"), ("os", "symlink"), ("shutil", "copy"), ("np", "save"),
    ("numpy", "save"), ("torch", "save"), ("json", "dump"), ("pickle", "dump"), ("joblib", "dump"),
}  # fmt: skip

BARE_WRITES = {
    "amb/study/durable.py": "the helper itself",
    "amb/study/lock.py": "lock files are empty",
    "amb/study/journal.py": "appends; what is torn is cut off, and a new journal is renamed into place",
    "amb/study/log.py": "appends lines, on which nothing depends",
    "amb/lab/journal.py": "appends; what is torn is cut off",
    "amb/run/isolation/process.py": "pipes",
    "amb/streams.py": "stdout and stderr themselves, and the null device",
    "amb/reports/draft.py": "copies into a folder that is flushed and swapped in as a whole",
    "amb_reports/exports/coco.py": "into such a folder",
    "amb_reports/exports/iohanalyzer.py": "into such a folder",
}
"""Modules that write without `write_whole`, and why a kill or a full disk loses nothing."""


def bare_writes(source: str) -> list[int]:
    """Lines that write a file, unless `write_whole` calls them or they write into a buffer in memory."""
    tree = ast.parse(source)
    assigned = {
        ast.unparse(target): ast.unparse(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
    }
    buffers = {name for name, value in assigned.items() if value.endswith(("BytesIO()", "StringIO()"))}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_whole(node)]
    passed = {word.id for call in calls for word in ast.walk(call) if isinstance(word, ast.Name)}
    found: list[int] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.FunctionDef) and node.name in passed:
            return
        if isinstance(node, ast.Assign) and passed & {ast.unparse(target) for target in node.targets}:
            return
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if _is_whole(node):
                return
            into = ast.unparse(node.args[0]) if node.args else ""
            if into in buffers or (name.endswith((".to_csv", ".to_json")) and not node.args):
                for part in (*node.args, *node.keywords):
                    visit(part)
                return
            words = {word.value for word in ast.walk(node) if isinstance(word, ast.Constant)}
            mode = any(isinstance(w, str) and re.fullmatch("[rwxabt+]{1,3}", w) and set(w) & set("wax+") for w in words)
            flags = " ".join(ast.unparse(word) for word in node.args[1:2])
            writes = re.search("O_CREAT|O_WRONLY|O_RDWR", flags + assigned.get(flags, ""))
            if (name.rpartition(".")[2] in ("open", "fdopen") and mode) or (name == "os.open" and writes):
                found.append(node.lineno)
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            # Of libraries, images have a `save`; of ours, those of studies and checkpoints use `write_whole`.
            image = node.attr == "save" and owner.rpartition(".")[2] not in ("_study", "study", "index", "checkpoint")
            if node.attr in WRITERS or (owner, node.attr) in MODULE_WRITERS or image:
                found.append(node.lineno)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return found


def _is_whole(call: ast.Call) -> bool:
    return ast.unparse(call.func) in ("write_whole", "write_together")


def test_every_file_is_written_by_the_one_helper() -> None:
    """Elsewhere, a full disk or a kill would leave half of a file where a whole one was."""
    found = {
        f"{name}/{path.relative_to(folder)}": lines
        for name, folder in PACKAGES.items()
        for path in sorted(folder.rglob("*.py"))
        if (lines := bare_writes(path.read_text(encoding="utf-8")))
    }
    assert {file: lines for file, lines in found.items() if file not in BARE_WRITES} == {}
    assert set(BARE_WRITES) == set(found), "whatever is listed still writes by itself"


@pytest.mark.parametrize(
    ("line", "bare"),
    [
        ("path.write_text(text)", True),
        ("table.to_csv(path, index=False)", True),
        ("write_whole(path, table.to_csv(index=False))", False),
        ("path.open('w').write(text)", True),
        ("open(path, mode='ab')", True),
        ("open(path)", False),
        ("partial(figure.savefig, dpi=100)(path)", True),
        ("draw = figure.savefig\nwrite_whole(path, draw)", False),
        ("buffer = io.BytesIO()\nfigure.savefig(buffer)", False),
        ("def save(place):\n np.save(place, array)\nwrite_whole(path, lambda place: save(place))", False),
        ("def save(place):\n np.save(place, array)\nsave(path)", True),
        ("picture.resize((2, 2)).save(file)", True),
        ("os.replace(one, other)", True),
        ("os.open(path, os.O_WRONLY)", True),
    ],
)
def test_a_bare_write_is_found(line: str, bare: bool) -> None:
    assert bool(bare_writes(line)) == bare
