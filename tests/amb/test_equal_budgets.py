"""Runs with different budgets are never compared as equal."""

from pathlib import Path

import numpy as np
import pytest

import amb
from amb.errors import AmbError
from amb.study.study import Study

pytestmark = pytest.mark.usefixtures("one_thread")

ASK = {"problems": "toy/snn-cnn/sn1/0..2", "seeds": 3}


def interrupted(folder: Path, solver: str = "one-plus-lambda") -> None:
    """A study of 5 queries whose extension to 30 has reached the runs of `random` only."""
    amb.compare(["random", solver], budget=5, study=folder, **ASK)  # type: ignore[arg-type]
    amb.compare("random", budget=30, study=folder, **ASK)  # type: ignore[arg-type]
    study = Study(folder)
    study.rewrite_manifest(lambda old: replace_settings(old, solvers=("random", solver)))


def replace_settings(manifest, **changes):  # type: ignore[no-untyped-def]
    from msgspec.structs import replace as changed

    return changed(manifest, settings=changed(manifest.settings, **changes))


def test_an_interrupted_extension_is_cut_to_what_all_runs_have(tmp_path: Path) -> None:
    """Random search must not look better because it had six times the queries."""
    interrupted(tmp_path / "study")
    result = amb.open(tmp_path / "study")
    assert set(result.runs["budget"]) == {5}
    assert set(result.runs["queries"]) == {5}
    assert any("all are compared at 5 queries" in warning for warning in result.warnings)
    same = amb.open(tmp_path / "study", budget=5)
    np.testing.assert_array_equal(result.runs["final"], same.runs["final"])
    assert not same.warnings


def test_a_budget_of_nothing_is_refused(tmp_path: Path) -> None:
    """Zero once meant the study's own budget."""
    amb.compare("random", budget=5, study=tmp_path / "study", **ASK)  # type: ignore[arg-type]
    with pytest.raises(AmbError, match="budget"):
        amb.open(tmp_path / "study", budget=0)


def test_a_longer_run_of_a_solver_with_a_rule_of_its_own_says_what_counts(tmp_path: Path) -> None:
    """What `cma-mean` would have recommended then is not stored; its luckiest query stood for it in silence."""
    from amb.stats.question import DEFAULT
    from amb_reports.page.gather import board_of_studies

    said = "cma-mean recommends by a rule of its own"
    ask = {"problems": "toy/snn-cnn/sn1/0[noise=poisson,spikes=20]", "seeds": 2, "progress": False}
    longer = amb.compare("random,cma-mean", budget=60, study=tmp_path / "long", **ask)  # type: ignore[arg-type]
    fresh = amb.compare("random,cma-mean", budget=30, study=tmp_path / "fresh", **ask)  # type: ignore[arg-type]
    for result in (longer, fresh):
        assert not any(said in warning for warning in result.warnings)
    cut = amb.compare("random,cma-mean", budget=30, study=tmp_path / "long", **ask)  # type: ignore[arg-type]
    assert any(said in warning and "best query observed counts" in warning for warning in cut.warnings)
    random = amb.open(tmp_path / "long", solvers="random", budget=30)
    assert not any(said in warning for warning in random.warnings)
    board = board_of_studies([Study(tmp_path / "long")], DEFAULT, command="", budget=30)
    assert any(said in note for note in board.notes)


def test_runs_with_another_budget_are_not_called_those_of_another_network(tmp_path: Path) -> None:
    """What two people ran with different budgets, merged: a solver that plans for its budget has runs of its own."""
    ask = {"problems": "toy/snn-cnn/sn1/0", "study": tmp_path / "st", "progress": False}
    amb.compare("random,portfolio", budget=20, seeds="0..0", **ask)  # type: ignore[arg-type]
    amb.compare("portfolio", budget=30, seeds="1..1", **ask)  # type: ignore[arg-type]
    both = {"solvers": ("random", "portfolio"), "seeds": (0, 1), "budget": 20}
    Study(tmp_path / "st").rewrite_manifest(lambda old: replace_settings(old, **both))
    (note,) = (warning for warning in amb.open(tmp_path / "st").warnings if "not finished" in warning)
    assert "it holds 1 run of portfolio with another budget, for which it plans, which are not compared" in note
    assert "other weights" not in note
