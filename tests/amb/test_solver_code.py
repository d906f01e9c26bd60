"""Who edits a solver and forgets to raise its version is told that the table shows runs of the old code."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

import amb
from amb import FunctionProblem, Solver, Space
from amb.catalogue.given import name_solvers
from amb.catalogue.solver_code import code_of
from amb.catalogue.solvers import resolve
from amb.stats.question import Question
from amb.study.manifest import Manifest, Settings, union
from amb.study.merge import merge
from amb.study.published import open_study
from amb_reports.page.gather import board_of_studies
from amb_solvers.adapters import from_scipy

PROBLEM = FunctionProblem(lambda rows: rows.mean(axis=1), Space.uniform(4, 8), id="p/q/r/0")
CODE = """
import numpy as np
from amb import Solver

STEP = {step}

def candidates(space, rng, n):
    return {candidates}

class Mine(Solver):
    "Asks for some candidates."
    version = "{version}"

    def _ask(self, limit):
        return candidates(self.space, self.rng, limit)
"""
REVERSED = "space.sample(n, rng)[:, ::-1]"
TOLD = "has changed since its first run in this study, but its version is still 1"


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """The class of a file that is written anew, as in another session, with what is given changed in it."""

    def written(*, step: int = 1, candidates: str = "space.sample(n, rng)", version: str = "1") -> type[Solver]:
        file = tmp_path_factory.mktemp("session") / "edited_solver.py"
        file.write_text(CODE.format(step=step, candidates=candidates, version=version))
        spec = spec_from_file_location(file.stem, file)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        spec.loader.exec_module(module)
        return module.Mine  # type: ignore[no-any-return]

    return written


def warnings(cls: type[Solver], study: Path, **more: object) -> list[str]:
    result = amb.compare([cls, "random"], PROBLEM, study=study, progress=False, **{"budget": 8, "seeds": 1, **more})  # type: ignore[arg-type]
    return [warning for warning in result.warnings if "edited_solver:Mine" in warning]


def test_an_edit_is_told_until_the_version_is_raised(mine, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    study, zeros = tmp_path / "st", "np.zeros((n, space.d), int)"
    assert warnings(mine(), study) == []
    assert warnings(mine(), study, budget=12) == [], "the same code"
    for _ in range(2):
        (told,) = warnings(mine(candidates=zeros), study)
        assert TOLD in told
    assert warnings(mine(), study) == [], "the edit was undone"
    assert warnings(mine(candidates=zeros, version="2"), study) == []
    (told,) = warnings(mine(version="2"), study)
    assert "still 2" in told


def test_the_log_and_a_report_tell_it_too(mine, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    study = tmp_path / "st"
    warnings(mine(), study)
    warnings(edited := mine(candidates=REVERSED), study)
    assert TOLD in (study / "log.jsonl").read_text(encoding="utf-8")
    result = amb.open(study, solvers=[edited, "random"], problems=PROBLEM)
    assert any(TOLD in warning for warning in result.warnings)
    assert not any(TOLD in warning for warning in amb.open(study).warnings), "the class is not at hand"


def test_runs_of_different_code_are_told_of_whatever_the_code_is_now(mine, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    study = tmp_path / "st"
    warnings(mine(), study)
    (told,) = warnings(mine(candidates=REVERSED), study, seeds=2)
    for _ in range(2):
        (told,) = warnings(mine(), study)
        assert "are of different code, although all are of its version 1" in told
    assert any("are of different code" in warning for warning in amb.open(study).warnings)
    assert warnings(mine(version="2"), study) == []


def test_studies_of_different_code_that_become_one_are_told_of(mine, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    one, other = tmp_path / "one", tmp_path / "other"
    warnings(mine(), one)
    warnings(mine(candidates=REVERSED), other, seeds="3..4")
    board = board_of_studies([open_study(one), open_study(other)], Question(), command="")
    assert any("are of different code" in note for note in board.notes)
    merge(tmp_path / "both", [one, other])
    assert warnings(mine(), tmp_path / "both")
    assert warnings(mine(candidates=REVERSED), tmp_path / "both")


def test_what_a_solver_names_counts_and_what_has_a_version_of_its_own_does_not(mine) -> None:  # type: ignore[no-untyped-def]
    def code(cls: type[Solver]) -> str | None:
        (spec,) = name_solvers([cls])[1].values()
        return code_of(spec)

    assert code(mine()) == code(mine())
    assert code(mine(candidates="space.sample(n * STEP, rng)", step=1)) != code(
        mine(candidates="space.sample(n * STEP, rng)", step=2)
    )
    assert code_of(resolve("random")) is None, "of an installed package"
    assert code(from_scipy("dual_annealing")) is None, "a hash of its code"


def test_code_is_compared_within_one_version_of_python() -> None:
    def codes(*each: str) -> dict[str, str]:
        return dict(union([Manifest(settings=Settings(codes={"mine": code})) for code in each]).settings.codes)

    assert codes("3.11 a", "3.12 b") == {"mine": "3.11 a"}
    assert codes("3.11 a", "3.11 a") == {"mine": "3.11 a"}
    assert codes("3.11 a", "3.11 b", "3.11 a") == {"mine": "3.11 several"}
