"""Values and candidates are read as they are meant, or refused: data behind a mask are no values."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

import amb
from amb.errors import AmbError, CandidateError, SolverError


def _problem(function: Callable[..., object] = np.sum) -> amb.Problem:
    return amb.objective(function, [(0, 1)] * 3, name="sum", version="1")


@pytest.mark.parametrize(
    "values",
    [
        lambda n: np.ma.masked_array(np.arange(n) * 1.0, mask=True),
        lambda n: [np.ma.masked] * n,
        lambda n: [10**400] * n,
    ],
)
def test_values_that_are_masked_or_too_large_are_refused(values: Callable[[int], object]) -> None:
    solver = amb.solver("cma", _problem().space, budget=20, seed=0)
    candidates = solver.ask()
    with pytest.raises(SolverError, match="expected real numbers"):
        solver.tell(candidates, values(len(candidates)))  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [np.ma.masked_array([9.0], mask=[True]), 10**400])
def test_an_objective_that_returns_them_is_refused(answer: object) -> None:
    problem = _problem(lambda x: answer)
    with pytest.raises(AmbError, match="must return a number"):
        problem.evaluate(np.zeros((1, 3), int))


def test_masked_candidates_and_tensors_with_gradients_are_refused() -> None:
    space = _problem().space
    for given in (np.ma.masked_array(np.zeros((1, 3), int), mask=True), torch.zeros((1, 3), requires_grad=True)):
        with pytest.raises(CandidateError, match="candidates must"):
            space.check(given)
        with pytest.raises(CandidateError, match="latents must"):
            space.nearest(given)
    assert space.check(torch.zeros((1, 3), dtype=torch.int64)).tolist() == [[0, 0, 0]]
