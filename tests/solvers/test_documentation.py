"""The table of solvers in the docs says what the code says."""

from pathlib import Path

import pytest

from amb.plugins import plugins
from amb.solvers import resolve
from amb_solvers.measure import row

DOCS = Path(__file__).parents[2] / "docs" / "solvers.md"
BUILT_IN = [name for name, plugin in plugins("solvers").items() if plugin.target.startswith("amb_solvers.")]


@pytest.fixture(scope="module")
def documented() -> dict[str, list[str]]:
    lines = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {first.strip("`"): rest for first, *rest in cells}


def test_all_solvers_are_in_the_table(documented: dict[str, list[str]]) -> None:
    """Every built-in is there, and nothing else."""
    assert sorted(documented) == sorted(BUILT_IN)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_row_says_what_the_code_says(documented: dict[str, list[str]], name: str) -> None:
    """Source, options with defaults, first batch and kinds are those of the class; the cost is a number."""
    *stated, cost = documented[name]
    queries = 300 if name == "ttopt" else 120  # its first batch is 256
    assert stated == list(row(resolve(name), queries=queries))[1:-1]
    assert float(cost) > 0
