"""Neurons that are recorded together: one presentation answers for all, and searches may learn from all of them."""

import numpy as np
import pytest

from amb import FunctionProblem, Space
from amb.catalogue.noise import observed_with
from amb.catalogue.solvers import resolve
from amb.contracts.problem import Problem
from amb.errors import CandidateError, SolverError, SpecError
from amb.run.population import search_population

SPACE = Space.uniform(20, 16)


def neuron(unit: int, **options: object) -> Problem:
    """Neurons with neighbouring peaks, so that what drives one is worth knowing for the next."""

    def response(candidates: np.ndarray) -> np.ndarray:
        return np.exp(-np.abs(candidates - 7 - unit).mean(axis=1) / 3)

    problem = FunctionProblem(response, SPACE, id=f"p/q/r/{unit}")
    return observed_with(problem, options)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FunctionProblem, "group", "recording")


def test_every_presentation_is_answered_by_every_neuron() -> None:
    neurons = [neuron(unit) for unit in range(3)]
    run = search_population(neurons, "one-plus-lambda", budget=100)
    assert run.candidates.shape == (100, 20)
    assert run.values.shape == run.clean.shape == (100, 3)
    assert np.bincount(run.owner).tolist() == [34, 33, 33]
    for column, one in enumerate(neurons):
        np.testing.assert_array_equal(run.clean[:, column], one.evaluate(run.candidates))


def test_without_sharing_each_search_is_what_it_is_alone() -> None:
    """Its candidates do not depend on the neurons that are recorded with it."""
    for unit in range(2):
        together = search_population([neuron(0), neuron(1)], "xdream-ga", budget=120, share=False)
        alone = search_population([neuron(unit)], "xdream-ga", budget=60, share=False)
        np.testing.assert_array_equal(together.candidates[together.owner == unit], alone.candidates)


def test_sharing_saves_presentations() -> None:
    """Neighbours that learn from each other get further with as many presentations, averaged over seeds."""
    neurons = [neuron(unit) for unit in range(4)]
    for solver in ("one-plus-lambda", "xdream-ga", "cma"):
        final = {
            share: np.mean(
                [search_population(neurons, solver, budget=240, seed=s, share=share).final.mean() for s in range(4)]
            )
            for share in (False, True)
        }
        assert final[True] > final[False] + 0.02, solver


def test_a_method_that_learns_nothing_still_recommends_what_others_showed() -> None:
    neurons = [neuron(unit) for unit in range(3)]
    run = search_population(neurons, "random", budget=90)
    np.testing.assert_array_equal(run.final, run.clean.max(axis=0))


def test_the_same_seed_gives_the_same_recording_under_conditions() -> None:
    """Every neuron has noise of its own, and is adapted by all presentations."""
    options = {"noise": "poisson", "spikes": 20, "adaptation": 1.0, "strong": 1.0, "drift": 0.3, "lost": 0.1}
    one, other = (
        search_population([neuron(0, **options), neuron(1, **options)], "cma", budget=80, seed=3) for _ in range(2)
    )
    np.testing.assert_array_equal(one.candidates, other.candidates)
    np.testing.assert_array_equal(one.values, other.values)
    assert np.isnan(one.values).any()
    assert not np.isnan(one.clean).any()
    assert (np.isnan(one.values[:, 0]) != np.isnan(one.values[:, 1])).any()


def test_what_cannot_be_recorded_together_is_refused() -> None:
    with pytest.raises(SpecError, match="too few for 3 neurons"):
        search_population([neuron(unit) for unit in range(3)], "random", budget=2)
    other = FunctionProblem(lambda x: x.mean(axis=1), Space.uniform(4, 16), id="p/q/r/9")
    with pytest.raises(SpecError, match="cannot be recorded together"):
        search_population([neuron(0), other], "random", budget=20)


def test_foreign_candidates_are_checked() -> None:
    solver = resolve("random").make(SPACE, budget=10, seed=0)
    with pytest.raises(SolverError, match="expected 2 values"):
        solver.learn(np.zeros((2, 20), int), [1.0])
    with pytest.raises(CandidateError, match="level 99"):
        solver.learn(np.full((1, 20), 99), [1.0])
    solver.ask(2)
    with pytest.raises(SolverError, match="before learn"):
        solver.learn(np.zeros((1, 20), int), [1.0])
