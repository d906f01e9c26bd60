"""Remembering what never changes alters no candidate of Nevergrad's optimizers."""

import pickle

import numpy as np
import pytest

from amb import Space
from amb_solvers.zoos import nevergrad_remembered
from amb_solvers.zoos.nevergrad import Nevergrad
from amb_solvers.zoos.nevergrad_remembered import RememberedCMA, RememberedPermutations, _parts


def asked(
    name: str, space: Space, queries: int, *, copied: bool = False, **options: object
) -> tuple[Nevergrad, np.ndarray]:
    """The optimizer and all its candidates on a coarse peak, with plateaus."""
    solver = Nevergrad(space, budget=queries, seed=7, name=name, **options)  # type: ignore[arg-type]
    candidates = []
    for number in range(queries):
        if copied and number == queries // 2:
            solver = pickle.loads(pickle.dumps(solver))
        rows = solver.ask()
        solver.tell(rows, np.round(np.exp(-np.square(space.decode(rows) - 1).mean(axis=1)), 1))
        candidates.append(rows)
    return solver, np.concatenate(candidates)


@pytest.mark.parametrize(
    ("name", "d", "levels", "queries"),
    [
        ("Portfolio", 128, 64, 60),
        ("Portfolio", 3, 4, 250),  # CMA stops on plateaus and restarts
        ("ScrHammersleySearch", 20, 16, 60),
        ("ScrHammersleySearch", 560, 4, 3),  # too many numbers to keep
    ],
)
def test_candidates_are_those_of_nevergrads_own_classes(
    monkeypatch: pytest.MonkeyPatch, name: str, d: int, levels: int, queries: int
) -> None:
    space = Space.uniform(d, levels)
    _, remembering = asked(name, space, queries)
    _, copied = asked(name, space, queries, copied=True)
    monkeypatch.setattr(nevergrad_remembered, "remember", lambda optimizer: None)
    _, own = asked(name, space, queries)
    assert np.array_equal(own, remembering)
    assert np.array_equal(own, copied)


def test_portfolios_cma_and_sequence_remember() -> None:
    """Should the names of Nevergrad's classes change, nothing would be remembered, in silence."""
    solver, _ = asked("Portfolio", Space.uniform(20, 8), 20)
    kinds = {type(part) for part in _parts(solver._optimizer)}
    assert {RememberedCMA, RememberedPermutations} <= kinds


def test_other_parametrizations_are_left_alone() -> None:
    """There, looking at the bounds draws random numbers."""
    solver, _ = asked("Portfolio", Space.uniform(4, 3), 20, parametrization="transition")
    assert not {type(part) for part in _parts(solver._optimizer)} & {RememberedCMA, RememberedPermutations}
