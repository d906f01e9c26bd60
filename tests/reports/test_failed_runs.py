"""A failed run is defined once, and counted the same everywhere."""

import json
from pathlib import Path

import pandas as pd
import pytest

import amb
from amb.catalogue.plugins import load_file
from amb.cli.ranking import scope_line
from amb.cli.show import as_record
from amb.comparison.result import Comparison
from amb.reports.write import report_data
from amb_reports.tables.csv_tables import Csv
from amb_reports.tables.markdown import render

PLUGINS = Path(__file__).parents[1] / "plugins"
SEEDS = 2


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Two solvers on three units, one of which answers NaN to everything: 4 of 12 runs spend their budget and fail."""
    for name in ("toy", "silent"):
        load_file(PLUGINS / f"{name}.py")
    folder = tmp_path_factory.mktemp("study")
    return amb.compare("random,climber", "silent/unit/only/*", budget=20, seeds=SEEDS, study=folder)


def test_a_unit_that_never_answers_fails_its_runs_and_every_count_of_them_agrees(
    comparison: Comparison, tmp_path: Path
) -> None:
    """The terminal said "0 of 6 runs failed" above "6 runs, 6 failed"."""
    assert comparison.runs.loc[comparison.runs["failed"], "problem"].tolist() == ["silent/unit/only/0"] * 4
    assert "4 of 12 runs failed" in scope_line(comparison)
    assert "12 runs, 4 failed" in comparison.basis
    assert comparison.ranking["failures"].tolist() == [SEEDS, SEEDS]
    data = report_data(comparison)
    Csv().write(data, tmp_path)
    assert pd.read_csv(tmp_path / "runs.csv")["failed"].sum() == 4
    assert pd.read_csv(tmp_path / "ranking.csv")["failures"].sum() == 4
    assert "12 runs, 4 failed" in render(data, tmp_path)
    assert sum(run["failed"] for run in json.loads(json.dumps(as_record(comparison, [])))["runs"]) == 4
