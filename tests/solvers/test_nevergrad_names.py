"""Facts about Nevergrad's optimizers that docs/guides/solvers.md states."""

import sys
from collections.abc import Callable
from typing import Any

import nevergrad as ng
import numpy as np
import pytest

import amb
from amb import Space
from amb.catalogue.solvers import resolve
from amb.errors import BudgetExhausted, SolverError, SpecError
from amb.testing.subject import drive, rows

SPACE = Space.uniform(20, 32)


def peak(candidates: np.ndarray) -> np.ndarray:
    return np.exp(-np.square(SPACE.decode(candidates) - 1).mean(axis=1))


OBJECTIVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "smooth": peak,
    "silent": lambda c: np.zeros(len(c)),
    "failing": lambda c: np.full(len(c), np.nan),
    "failing now and then": lambda c: np.where(c[:, 0] % 2 == 0, np.nan, peak(c)),
}


def distinct(name: str) -> int:
    """Grid points among 150 queries of a smooth peak."""
    solver = resolve(f"nevergrad[name={name}]").make(SPACE, budget=150, seed=0)
    log = drive(solver, peak)
    return len(np.unique(rows(log), axis=0))


def test_spsa_takes_one_worker() -> None:
    with pytest.raises(SpecError, match="SPSA refuses"):
        amb.solver("nevergrad[name=SPSA,workers=2]", SPACE, budget=10)


def test_noisy_bandit_measures_few_points_often() -> None:
    assert distinct("NoisyBandit") < 15


def test_two_points_de_and_spsa_ask_something_new_every_time() -> None:
    assert distinct("TwoPointsDE") == distinct("SPSA") == 150


@pytest.mark.parametrize(
    "name", ["CMA", "TwoPointsDE", "ScrHammersleySearch", "OnePlusOne", "NoisyBandit", "SPSA", "NGOpt"]
)
def test_the_names_that_papers_use_run(name: str) -> None:
    solver = resolve(f"nevergrad[name={name}]").make(SPACE, budget=15, seed=0)
    assert len(rows(drive(solver, peak))) == 15


@pytest.mark.parametrize(
    ("wrong", "right"), [("ScrHammersley", "ScrHammersleySearch"), ("TwoPointDE", "TwoPointsDE"), ("Ngopt", "NGOpt")]
)
def test_a_wrong_name_is_answered_by_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(SpecError, match=rf"did you mean.*\b{right}\b"):
        amb.solver(f"nevergrad[name={wrong}]", SPACE, budget=10)


def test_a_name_that_is_registered_with_a_blank_is_found_without() -> None:
    blank = [name for name in ng.optimizers.registry if name != name.strip()]
    assert blank, "none is left: the look-up in zoos/nevergrad.py needs no strip"
    assert len(amb.solver(f"nevergrad[name={blank[0].strip()}]", SPACE, budget=10).ask()) == 1


@pytest.mark.parametrize(("name", "package"), [("BayesOptimBO", "bayes_optim"), ("BOBYQA", "pybobyqa")])
def test_a_package_that_an_optimizer_lacks_is_named(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is imported at the start or in the optimizer's thread."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SolverError, match=f"not installed: .*{package}"):
        amb.solver(f"nevergrad[name={name}]", SPACE, budget=10).ask()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_sqpcma_of_nevergrad_is_its_portfolio(objective: str) -> None:
    """Its constructor replaces its SQP by Portfolio's parts: with one worker it asks for the same candidates."""
    asked = []
    for name in ("SQPCMA", "Portfolio"):
        solver = resolve(f"nevergrad[name={name}]").make(SPACE, budget=60, seed=0)
        asked.append(rows(drive(solver, OBJECTIVES[objective])))
        parts = [part.name for part in solver._optimizer.optims]  # type: ignore[attr-defined]
        assert parts == ["MetaCMA", "TwoPointsDE", "ScrHammersleySearch"]
    np.testing.assert_array_equal(*asked)


@pytest.mark.parametrize(("budget", "parts"), [(11, 1), (12, 3)])
def test_below_twelve_queries_portfolio_is_its_hammersley_points(budget: int, parts: int) -> None:
    solver = resolve("portfolio").make(SPACE, budget=budget, seed=0)
    assert len(solver._optimizer.optims) == parts  # type: ignore[attr-defined]
    points = resolve("nevergrad[name=ScrHammersleySearch]").make(SPACE, budget=budget, seed=0)
    assert np.array_equal(rows(drive(solver, peak)), rows(drive(points, peak))) == (parts == 1)


def test_spsa_never_leaves_the_centre() -> None:
    """Its probes are a tenth of its unit, a sixth of the range, from the centre; its steps have 0.00001 units."""
    solver = resolve("nevergrad[name=SPSA]").make(SPACE, budget=300, seed=0)
    away = []
    while solver.remaining:
        candidates = solver.ask()
        assert solver._proposed is not None
        away.append(np.abs(solver._proposed - (SPACE.low + SPACE.high) / 2).max())
        solver.tell(candidates, peak(candidates))
    assert max(away) <= 1.01 * 0.1 * (SPACE.high - SPACE.low) / 6


def told_in_order(name: str, order: int) -> np.ndarray:
    """Nevergrad's own candidates if it receives every batch of six in order (1) or in reverse (-1)."""
    box = ng.p.Array(shape=(8,), lower=0, upper=31)
    box.random_state = np.random.RandomState(0)
    optimizer = ng.optimizers.registry[name](box, budget=60, num_workers=6)
    asked: list[Any] = []
    for _ in range(10):
        batch = [optimizer.ask() for _ in range(6)]
        asked += [candidate.value for candidate in batch]
        for candidate in batch[::order]:
            optimizer.tell(candidate, float(np.square(candidate.value - 20).mean()))
    return np.array(asked)


@pytest.mark.parametrize(("name", "minds"), [("OnePlusOne", True), ("CMA", True), ("ScrHammersleySearch", False)])
def test_some_depend_on_the_order_of_values(name: str, minds: bool) -> None:
    assert np.allclose(told_in_order(name, 1), told_in_order(name, -1)) != minds


@pytest.mark.parametrize(("name", "refuses"), [("CMA", False), ("ScrHammersleySearch", True)])
def test_the_budget_is_kept_here_as_not_every_optimizer_keeps_it(name: str, refuses: bool) -> None:
    solver = resolve(f"nevergrad[name={name}]").make(SPACE, budget=5, seed=0)
    drive(solver, peak)
    with pytest.raises(BudgetExhausted):
        solver.ask()
    if refuses:
        with pytest.raises(AssertionError, match="Over the budget"):
            solver._optimizer.ask()  # type: ignore[attr-defined]
    else:
        solver._optimizer.ask()  # type: ignore[attr-defined]
