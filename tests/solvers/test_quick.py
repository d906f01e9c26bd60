"""Every solver completes the suite that the README runs."""

from importlib.util import find_spec
from pathlib import Path

import pytest

import amb
from amb.catalogue.plugins import plugins

BUDGET = 40
# Solvers whose packages need not be installed.
EXTRAS = {"evosax": "evosax", "optuna": "optuna", "protes-reference": "protes"}
SPECS = [
    name
    for name, plugin in plugins("solvers").items()
    if plugin.location.startswith("amb_solvers.") and find_spec(EXTRAS.get(name, "amb"))
]


@pytest.mark.slow
def test_every_solver_completes_quick(tmp_path: Path) -> None:
    """Twelve problems each; none fails, none exceeds its budget, and each is in the table."""
    result = amb.compare(",".join(SPECS), "quick", budget=BUDGET, seeds=1, study=tmp_path / "study")
    runs = result.runs
    assert len(runs) == 12 * len(SPECS)
    assert list(runs.loc[runs["status"] != "ok", ["solver", "problem", "status"]].itertuples(index=False)) == []
    assert (runs["queries"] == BUDGET).all()
    assert runs["final"].between(0, 1).all()
    print(runs.groupby("solver")["final"].median().sort_values(ascending=False).to_string())
