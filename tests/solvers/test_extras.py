"""Solvers whose packages are extras: they work where these are installed, and say in one line what is missing."""

import sys

import numpy as np
import pytest

import amb
from amb import Space
from amb.catalogue.plugins import plugins
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


MISSING = [
    ("evosax", "evosax", "evosax"),
    ("optuna[sampler=Random]", "optuna", "optuna"),
    ("protes-reference", "protes", "reference"),
    ("protes-reference", "jax", "reference"),
]


@pytest.mark.parametrize(("spec", "package", "name"), MISSING)
def test_a_missing_package_is_named_with_its_command(
    spec: str, package: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line: the package, and the extra that brings it."""
    monkeypatch.delitem(sys.modules, "amb_solvers.tensor_train.protes_package", raising=False)
    for module in {package, *(name for name in sys.modules if name.startswith(f"{package}."))}:
        monkeypatch.setitem(sys.modules, module, None)
    says = rf"needs the package (jax|{package}), which is not installed: pip install 'amb\[{name}\]'"
    with pytest.raises(SolverError, match=says) as caught:
        amb.solver(spec, SPACE, budget=10)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("spec", "package"), [(spec, package) for spec, package, _ in MISSING])
def test_a_solver_without_its_package_is_still_listed_and_shown(
    spec: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options, capabilities and source are known without the package."""
    monkeypatch.setitem(sys.modules, package, None)
    found = resolve(spec)
    assert found.spec.name in plugins("solvers")
    assert found.options
    assert found.cls.source


def test_an_installed_package_is_imported() -> None:
    assert extra("json").dumps(1) == "1"


@pytest.mark.parametrize("name", ["Sep_CMA_ES", "DE", "PSO"])
def test_evosax_by_name(name: str) -> None:
    """Each strategy learns: it comes closer to a peak than its first population."""
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
