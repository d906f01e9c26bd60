"""`amb leaderboard --budget`: stored runs as they stood after fewer queries, also those of a published study."""

from pathlib import Path

import numpy as np
import pytest

import amb
from amb.errors import StudyError
from amb.reports.write import write_leaderboard
from amb.stats.question import DEFAULT
from amb.study.published import open_study, publish
from amb.study.study import Study
from amb_reports.page.gather import board_of_studies

pytestmark = pytest.mark.usefixtures("toy")
ASK = {"solvers": "random,climber[batch=5]", "problems": "toy/bowl/far/0..2", "seeds": 3}


@pytest.fixture
def published(toy: Path, tmp_path: Path) -> Path:
    amb.compare(study=tmp_path / "st", budget=30, progress=False, **ASK)  # type: ignore[arg-type]
    publish(Study(tmp_path / "st"), tmp_path / "published")
    return tmp_path / "published"


def test_a_published_study_is_compared_at_a_smaller_budget_as_if_it_had_been_run_so(
    published: Path, tmp_path: Path
) -> None:
    board = board_of_studies([open_study(published)], DEFAULT, command="", budget=10)
    short = amb.compare(study=tmp_path / "short", budget=10, progress=False, **ASK)  # type: ignore[arg-type]
    assert board.views[0].budget == 10
    assert board.analysis.verdict == short.verdict
    here, there = (table.set_index("solver")["score"].sort_index() for table in (board.analysis.ranking, short.ranking))
    np.testing.assert_array_equal(here, there)


def test_a_budget_that_no_run_reached_is_refused_in_one_line(published: Path, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="after 31 queries: the runs have 30") as refusal:
        write_leaderboard([published], tmp_path / "page.html", budget=31)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "page.html").exists()


def test_a_report_of_a_published_study_says_why_it_has_no_smaller_budget(published: Path) -> None:
    says = r"a published study, lacks .* 10 queries: this run was published with 30 queries, .* --budget 30` reports"
    with pytest.raises(StudyError, match=says):
        amb.open(published, budget=10)
