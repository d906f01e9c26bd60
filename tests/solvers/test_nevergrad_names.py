"""Facts about Nevergrad's optimizers that docs/solvers.md states."""

import numpy as np
import pytest

import amb
from amb import Space
from amb.errors import SpecError
from amb.solvers import resolve
from amb.testing.subject import drive, rows

SPACE = Space.uniform(20, 32)


def distinct(name: str) -> int:
    """Grid points among 150 queries of a smooth peak."""
    solver = resolve(f"nevergrad[name={name}]").make(SPACE, budget=150, seed=0)
    log = drive(solver, lambda c: np.exp(-np.square(SPACE.decode(c) - 1).mean(axis=1)))
    return len(np.unique(rows(log), axis=0))


def test_spsa_takes_one_worker() -> None:
    with pytest.raises(SpecError, match="SPSA refuses"):
        amb.solver("nevergrad[name=SPSA,workers=2]", SPACE, budget=10)


def test_noisy_bandit_measures_few_points_often() -> None:
    assert distinct("NoisyBandit") < 15


def test_two_points_de_and_spsa_ask_something_new_every_time() -> None:
    assert distinct("TwoPointsDE") == distinct("SPSA") == 150
