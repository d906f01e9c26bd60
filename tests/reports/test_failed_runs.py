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
from amb.stats.question import DEFAULT
from amb.study.published import PublishedStudy, publish
from amb.study.study import Study
from amb_reports.page.gather import board_of_studies
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


def test_a_run_that_broke_off_holds_no_study_at_its_budget(tmp_path: Path) -> None:
    """Every later comparison was cut to the 10 queries of a crash after 3, which no larger budget would have helped."""
    load_file(PLUGINS / "toy.py")
    for budget in (10, 20):
        result = amb.compare("random,crasher", "toy/bowl/near/0", budget=budget, seeds=1, study=tmp_path / "study")
    assert result.runs["budget"].tolist() == [20, 20]
    assert result.runs["queries"].tolist() == [20, 3]
    assert not result.warnings
    assert amb.open(tmp_path / "study", budget=10).runs["budget"].tolist() == [10, 10]
    publish(Study(tmp_path / "study"), tmp_path / "published")
    assert amb.open(tmp_path / "published").ranking.equals(result.ranking)
    board = board_of_studies([PublishedStudy(tmp_path / "published")], DEFAULT, command="")
    assert board.views[0].budget == 20
    assert sorted(board.views[0].runs["budget"]) == [20, 20]
