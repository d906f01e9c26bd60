"""Solvers of packages that are no requirement: by name where they are installed, one clear line where not."""

import sys

import numpy as np
import pytest

import amb
from amb import Space
from amb.catalogue.solvers import resolve
from amb.errors import SolverError, SpecError
from amb.testing.subject import drive
from amb_solvers.shared.extras import extra

SPACE = Space.uniform(6, 16)
PEAK = SPACE.decode(np.full((1, 6), 9))


def peak(candidates: np.ndarray) -> np.ndarray:
    return np.exp(-np.square(SPACE.decode(candidates) - PEAK).mean(axis=1))


def best(spec: str, budget: int) -> float:
    solver = resolve(spec).make(SPACE, budget=budget, seed=0)
    return float(np.concatenate([values for _, values in drive(solver, peak)]).max())


@pytest.mark.parametrize(("package", "spec"), [("evosax", "evosax"), ("optuna", "optuna[sampler=Random]")])
def test_a_missing_package_is_named_with_its_command(package: str, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SolverError, match=rf"needs the package {package}.*pip install 'amb\[{package}\]'"):
        amb.solver(spec, SPACE, budget=10)


def test_a_package_that_is_there_is_imported() -> None:
    assert extra("json").dumps(1) == "1"


@pytest.mark.parametrize("name", ["Sep_CMA_ES", "DE", "PSO"])
def test_evosax_by_name(name: str) -> None:
    """Each learns: it comes nearer to a peak than its first population."""
    pytest.importorskip("evosax")
    assert best(f"evosax[name={name}]", 300) > best(f"evosax[name={name}]", 10) + 0.1


@pytest.mark.parametrize("sampler", ["TPE", "CmaEs"])
def test_optuna_by_name(sampler: str) -> None:
    pytest.importorskip("optuna")
    assert best(f"optuna[sampler={sampler}]", 100) > max(0.7, best(f"optuna[sampler={sampler}]", 10))


def test_unknown_names_get_their_neighbours() -> None:
    pytest.importorskip("evosax")
    pytest.importorskip("optuna")
    with pytest.raises(SpecError, match="did you mean SNES"):
        amb.solver("evosax[name=SNE]", SPACE, budget=10)
    with pytest.raises(SpecError, match="did you mean TPE"):
        amb.solver("optuna[sampler=TPEE]", SPACE, budget=10)
