"""Numbers so large or so small that ranks and tests would go wrong are no activations."""

from pathlib import Path

import numpy as np
import pytest

import amb
from amb import FunctionProblem, Space
from amb.errors import AmbError

SPACE = Space(np.full(3, 8), low=0.0, high=1.0, prior="uniform")


def level(scale: float, name: str) -> FunctionProblem:
    return FunctionProblem(lambda rows: scale * rows.sum(axis=1), SPACE, id=f"own/{name}/l/0")


def test_an_absurd_response_is_a_failed_query(tmp_path: Path) -> None:
    """Sums and squares of it overflow, which ended the verdict in a traceback."""
    result = amb.compare("random", level(1e300, "steep"), budget=10, study=tmp_path, progress=False)
    assert set(result.runs["status"]) == {"ok"}
    assert result.runs["final"].isna().all()


def test_activations_that_rounding_would_make_equal_are_refused(tmp_path: Path) -> None:
    """In picoamperes, every difference was a tie, and the last of the ranking shared its letter with the first."""
    with pytest.raises(AmbError, match=r"own/tiny/l/0 reach .*e-11 in size.*unit of measurement"):
        amb.compare("random,one-plus-lambda", level(1e-12, "tiny"), budget=10, study=tmp_path, progress=False)
    assert len(list((tmp_path / "runs").glob("*.parquet"))) == 2 * 2  # two seeds; nothing that was measured is lost


def test_a_silent_neuron_is_no_small_activation(tmp_path: Path) -> None:
    result = amb.compare("random", level(0.0, "silent"), budget=10, study=tmp_path, progress=False)
    assert (result.runs["final"] == 0).all()


def test_a_run_that_observed_nothing_has_no_activation(tmp_path: Path) -> None:
    """Its recommendation rests on nothing; the noise-free value of the first candidate was stored as its success."""
    problem = amb.problem("mnist-sngan-int8/mnist-snn/out/1[lost=1]")
    result = amb.compare("random", problem, budget=8, seeds=1, study=tmp_path, progress=False)
    assert list(result.runs["failed"]) == [True]
    shorter = amb.compare("random", problem, budget=4, seeds=1, study=tmp_path, progress=False)
    assert list(shorter.runs["failed"]) == [True]
