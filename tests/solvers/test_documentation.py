"""The table of solvers in the docs says what the code says."""

from pathlib import Path

import pytest

from amb.catalogue.plugins import plugins
from amb.catalogue.solvers import resolve
from amb_solvers.tables.costs import HEADER, facts, main

DOCS = Path(__file__).parents[2] / "docs" / "guides" / "solvers.md"
BUILT_IN = [name for name, plugin in plugins("solvers").items() if plugin.location.startswith("amb_solvers.")]


@pytest.fixture(scope="module")
def documented() -> dict[str, list[str]]:
    lines = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {first.strip("`"): rest for first, *rest in cells}


def test_all_solvers_are_in_the_table(documented: dict[str, list[str]]) -> None:
    """The table has every built-in solver and nothing else."""
    assert sorted(documented) == sorted(BUILT_IN)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_row_says_what_the_code_says(documented: dict[str, list[str]], name: str) -> None:
    """All cells but the cost, which was measured once and must be a number."""
    *stated, cost = documented[name]
    found = list(facts(resolve(name)))[1:]
    if not found[2] and name in ("evosax", "optuna", "protes-reference"):
        stated[2] = ""  # the package that chooses its first batch is not installed here
    assert stated == found
    assert float(cost) > 0


def test_every_solver_says_what_it_makes_of_a_failed_query() -> None:
    assert all(resolve(name).cls.failed_queries for name in BUILT_IN)


def test_the_cost_is_measured_by_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """It prints Markdown: a header, a rule and one row per solver."""
    main(["random", "gradient"])
    header, line, *rows = capsys.readouterr().out.splitlines()
    assert header.count("|") == line.count("|") == len(HEADER) + 1
    assert [row.split("|")[1].strip() for row in rows] == ["`random`", "`gradient`"]
    assert all(0 < float(row.split("|")[-2]) < 100 for row in rows)
