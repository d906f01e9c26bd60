"""One policy for silent neurons: search where the method starts, and learn once something fires."""

import numpy as np
import pytest

from amb import Space
from amb.catalogue.solvers import resolve
from amb.testing.subject import drive, rows
from amb_solvers.shared.flat_start import FlatStart

SPACE = Space.uniform(16, 32)


def test_a_start_is_flat_until_a_value_differs() -> None:
    flat = FlatStart()
    told = [[np.nan], [0.0, np.nan, 0.0], [0.0], [0.0, 0.2], [0.2, 0.2]]
    assert [flat.holds(np.array(values)) for values in told] == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("spec", "level"),
    [("cma", 0.0), ("cma-diagonal", 1.0), ("cma-mean", 0.0), ("cma-margin", 1.0), ("nevergrad[name=CMA]", 0.0)],
)
def test_a_flat_start_is_a_search_of_the_start_distribution(spec: str, level: float) -> None:
    """Neither the centre nor the spread of the candidates drifts in 600 queries; Nevergrad's CMA restarts by itself."""
    solver = resolve(spec).make(SPACE, budget=600, seed=0)
    asked = SPACE.decode(rows(drive(solver, lambda c: np.full(len(c), level))))
    first, last = asked[:200], asked[-200:]
    assert len(np.unique(asked, axis=0)) > 500
    assert last.std(axis=0).mean() == pytest.approx(first.std(axis=0).mean(), rel=0.2)
    assert np.abs(last.mean(axis=0)).max() < 4 * first.std() / np.sqrt(200)


@pytest.mark.parametrize("spec", ["cma", "cma-margin"])
def test_it_learns_once_the_neuron_has_fired(spec: str) -> None:
    """Silent in its first 100 queries, a peak after them."""
    solver = resolve(spec).make(SPACE, budget=1000, seed=0)
    heard: list[int] = []

    def wakes(candidates: np.ndarray) -> np.ndarray:
        silent = len(heard) < 100
        heard.extend([0] * len(candidates))
        values = np.exp(-np.square(SPACE.decode(candidates) - 1).mean(axis=1))
        return np.zeros(len(candidates)) if silent else values

    best = np.concatenate([values for _, values in drive(solver, wakes)]).max()
    assert best > 0.95
