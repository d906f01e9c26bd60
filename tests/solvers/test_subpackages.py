"""The subpackages of `amb_solvers` have three levels: adapters above methods, and shared code below."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import amb_solvers

ROOT = Path(amb_solvers.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
SHARED = "shared"
ADAPTERS = "adapters"


def subpackage(parts: tuple[str, ...]) -> str:
    """The folder directly below `amb_solvers`, or the module if it is in no folder."""
    return parts[0].removesuffix(".py")


def imported(file: Path) -> Iterator[tuple[str, ...]]:
    """What a file imports from `amb_solvers`, at any place in it: the parts after the package's name."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: imports are absolute"
            names = [f"{node.module}.{a.name}" for a in node.names]
        for name in names:
            first, *rest = name.split(".")
            if first == "amb_solvers" and rest:
                yield tuple(rest)


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(ROOT)) for file in FILES])
def test_a_room_imports_itself_and_what_is_shared(file: Path) -> None:
    """No subpackage of methods imports another one; `shared` imports none of them, and none imports `adapters`."""
    here = subpackage(file.relative_to(ROOT).parts)
    found = {subpackage(parts) for parts in imported(file)}
    if here == ADAPTERS:
        assert found <= {ADAPTERS, SHARED, "zoos"}
    else:
        assert found <= {here, SHARED}


def test_no_two_files_import_each_other() -> None:
    """Within a subpackage, too, files can be put in an order in which each imports earlier ones only."""
    edges = {}
    for file in FILES:
        targets = set()
        for parts in imported(file):
            for length in (len(parts), len(parts) - 1):
                path = ROOT.joinpath(*parts[:length]).with_suffix(".py") if length else ROOT
                if path in FILES:
                    targets.add(path)
        edges[file] = targets
    assert any(edges.values())
    while free := {file for file, targets in edges.items() if not targets & edges.keys()}:
        edges = {file: targets for file, targets in edges.items() if file not in free}
    assert not edges, f"these files import each other in a circle: {sorted(map(str, edges))}"
