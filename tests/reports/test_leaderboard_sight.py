"""A leaderboard ranks solvers by what they see, also those that only their author has."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import amb
from amb import FunctionProblem, Space
from amb.contracts.problem import Problem
from amb.errors import StudyError
from amb.stats.question import DEFAULT
from amb.study.published import open_study, publish
from amb.study.study import Study
from amb_reports.page.gather import board_of_studies
from amb_solvers.search.random_search import RandomSearch


class Attached(RandomSearch):
    """Sees the problem; in a test's module, no name finds it elsewhere."""

    sees = "gradients"

    def attach(self, problem: Problem) -> None: ...


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that was asked for a white box first, and for random search alone later; published."""
    home = tmp_path_factory.mktemp("sight")
    problems = [
        FunctionProblem(lambda rows, unit=unit: (rows == unit).mean(axis=1), Space.uniform(4, 8), id=f"own/is/l/{unit}")
        for unit in range(3)
    ]
    for solvers in ([Attached, "random", "snes"], ["random"]):
        amb.compare(solvers, problems, budget=20, seeds=2, study=home / "study", progress=False)
    publish(Study(home / "study"), home / "published")
    return home


@pytest.mark.parametrize("name", ["study", "published"])
def test_a_white_box_is_never_ranked_where_it_is_not_installed(folder: Path, name: str) -> None:
    board = board_of_studies([open_study(folder / name)], DEFAULT, command="")
    sees = board.runs.drop_duplicates("solver").set_index("solver")["sees"].to_dict()
    (attached,) = (solver for solver in sees if solver.endswith("Attached"))
    assert sees == {attached: "gradients", "random": "values", "snes": "values"}
    assert np.isnan(board.analysis.table.set_index("solver")["mean_rank"][attached])


def test_a_manifest_that_says_something_else_is_damaged(folder: Path, tmp_path: Path) -> None:
    study = shutil.copytree(folder / "study", tmp_path / "study")
    manifest = study / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"gradients"', '"everything"'))
    with pytest.raises(StudyError, match=r"is damaged: .*Attached sees 'everything'"):
        board_of_studies([open_study(study)], DEFAULT, command="")
