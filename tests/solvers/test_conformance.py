"""What every registered solver must hold, whatever its method."""

import pickle
import random
from collections.abc import Callable

import numpy as np
import pytest

from amb.contracts.solver import Solver
from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import BudgetExhausted, SolverError
from amb.plugins import plugins
from amb.solvers import resolve

SPECS = [name for name, plugin in plugins("solvers").items() if plugin.target.startswith("amb_solvers.")] + [
    "nevergrad[name=DiscreteOnePlusOne,parametrization=transition]",
    "nevergrad[name=OnePlusOne,parametrization=choice]",
    "nevergrad[name=TwoPointsDE]",
]
BUDGET = 73  # a prime: no batch size divides it

SPACES = {
    "ordinal": Space.uniform(6, 8),
    "quantile": Space.uniform(5, 16, grid="quantile"),
    "ragged": Space(np.array([5, 1, 12, 3])),
    "one level": Space(np.array([1, 1, 1])),
    "categorical": Space.uniform(5, 8, kind="categorical"),
}

Objective = Callable[[IntArray], FloatArray]


def near(candidates: IntArray) -> FloatArray:
    """A smooth peak at level 2 of every mode, in (0, 1]."""
    return np.exp(-np.abs(candidates - 2).mean(axis=1))


def broken_now_and_then(candidates: IntArray) -> FloatArray:
    values = near(candidates)
    values[candidates.sum(axis=1) % 3 == 0] = np.nan
    return values


OBJECTIVES: dict[str, Objective] = {
    "constant": lambda x: np.zeros(len(x)),
    "saturated": lambda x: np.minimum(near(x), 0.3),
    "some NaN": broken_now_and_then,
    "all NaN": lambda x: np.full(len(x), np.nan),
    "infinite": lambda x: np.where(x[:, 0] % 2 == 0, np.inf, -np.inf),
    "huge": lambda x: -1e300 * (1 - near(x)),
}


def make(spec: str, space: Space, *, budget: int = BUDGET, seed: int = 3) -> Solver:
    """The solver, or a skip where its method honestly refuses the space."""
    try:
        return resolve(spec).make(space, budget=budget, seed=seed)
    except SolverError as refusal:
        pytest.skip(f"refuses: {refusal}")


def drive(
    solver: Solver, objective: Objective = near, limits: tuple[int | None, ...] = (None,), stop: int = 10**9
) -> list[tuple[IntArray, FloatArray]]:
    """Run a solver until its budget (or about `stop` queries) is spent; what was asked and told."""
    log: list[tuple[IntArray, FloatArray]] = []
    while solver.remaining and solver.asked < stop:
        limit = limits[len(log) % len(limits)]
        candidates = solver.ask(limit)
        values = objective(candidates)
        solver.tell(candidates, values)
        log.append((candidates, values))
    return log


def rows(log: list[tuple[IntArray, FloatArray]]) -> IntArray:
    return np.concatenate([candidates for candidates, _ in log]) if log else np.empty((0, 0), dtype=np.int64)


def global_states() -> tuple[object, ...]:
    import torch

    numpy_state = np.random.get_state()  # noqa: NPY002 - the state that must not change
    return (
        numpy_state[1].tobytes(),
        *numpy_state[2:],
        random.getstate(),
        torch.get_rng_state().numpy().tobytes(),
    )


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
@pytest.mark.parametrize("spec", SPECS)
def test_same_seed_asks_the_same_grid_points_and_spends_the_budget_exactly(spec: str, space: Space) -> None:
    """Two solvers of one seed ask the same rows: integers on the grid, exactly as many as budgeted."""
    first, second = make(spec, space), make(spec, space)
    log = drive(first)
    asked = rows(log)
    assert asked.dtype == np.int64
    assert asked.shape == (BUDGET, space.d)
    assert (asked >= 0).all()
    assert (asked < space.levels).all()
    np.testing.assert_array_equal(rows(drive(second)), asked)
    with pytest.raises(BudgetExhausted):
        first.ask()
    space.check(first.recommend()[None])


@pytest.mark.parametrize("spec", SPECS)
def test_seeds_differ(spec: str) -> None:
    """Another seed asks other candidates."""
    a = rows(drive(make(spec, SPACES["ordinal"], seed=1)))
    b = rows(drive(make(spec, SPACES["ordinal"], seed=2)))
    assert not np.array_equal(a, b)


@pytest.mark.parametrize("spec", SPECS)
def test_limits_are_respected_and_change_nothing_that_is_asked(spec: str) -> None:
    """However a caller cuts the asks, no limit is exceeded, and the candidates are the same."""
    log = drive(make(spec, SPACES["ordinal"]), limits=(1, 7, 2, 3))
    assert all(len(candidates) <= (1, 7, 2, 3)[i % 4] for i, (candidates, _) in enumerate(log))
    np.testing.assert_array_equal(rows(log), rows(drive(make(spec, SPACES["ordinal"]))))


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES.keys())
@pytest.mark.parametrize("spec", SPECS)
def test_survives_what_neurons_do(spec: str, objective: Objective) -> None:
    """Silent, saturated, failing and absurd objectives neither stop a solver nor make it repeatable only by
    luck."""
    with np.errstate(over="ignore"):
        asked = rows(drive(make(spec, SPACES["ordinal"]), objective))
        assert len(asked) == BUDGET
        np.testing.assert_array_equal(rows(drive(make(spec, SPACES["ordinal"]), objective)), asked)


@pytest.mark.parametrize("spec", SPECS)
def test_a_longer_budget_contains_the_shorter_unless_declared(spec: str) -> None:
    """A solver that calls itself anytime asks the same first candidates whatever its budget."""
    short = make(spec, SPACES["ordinal"])
    if not short.anytime:
        pytest.skip("not anytime: its candidates depend on the budget, as it says")
    long = make(spec, SPACES["ordinal"], budget=3 * BUDGET)
    np.testing.assert_array_equal(rows(drive(long))[:BUDGET], rows(drive(short)))


@pytest.mark.parametrize("spec", SPECS)
def test_global_random_states_stay_untouched(spec: str) -> None:
    """Neither numpy's, nor Python's, nor torch's global state moves."""
    before = global_states()
    drive(make(spec, SPACES["ordinal"]))
    assert global_states() == before


@pytest.mark.parametrize("spec", SPECS)
def test_global_random_states_do_not_matter(spec: str) -> None:
    """The candidates do not depend on what the global states are."""
    import torch

    kept = np.random.get_state(), random.getstate(), torch.get_rng_state()  # noqa: NPY002
    asked = []
    try:
        for seed in (1, 2):
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            torch.manual_seed(seed)
            asked.append(rows(drive(make(spec, SPACES["ordinal"]))))
    finally:
        np.random.set_state(kept[0])  # noqa: NPY002
        random.setstate(kept[1])
        torch.set_rng_state(kept[2])
    np.testing.assert_array_equal(asked[0], asked[1])


@pytest.mark.parametrize("cut", [1, 20, 47])
@pytest.mark.parametrize("spec", SPECS)
def test_a_pickled_solver_goes_on_as_the_original(spec: str, cut: int) -> None:
    """A solver can be pickled between a tell and an ask, and between an ask and its tell."""
    solver = make(spec, SPACES["ordinal"])
    drive(solver, limits=(3,), stop=cut)
    copy = pickle.loads(pickle.dumps(solver))
    asked = copy.ask(5)
    np.testing.assert_array_equal(solver.ask(5), asked)
    copy = pickle.loads(pickle.dumps(copy))
    for one in (solver, copy):
        one.tell(asked, near(asked))
    np.testing.assert_array_equal(rows(drive(copy)), rows(drive(solver)))


@pytest.mark.parametrize("spec", SPECS)
def test_replay_after_a_cut_goes_on_as_if_never_cut(spec: str) -> None:
    """Telling a fresh solver the journal's values again brings it to the same next candidates."""
    whole = drive(make(spec, SPACES["ordinal"]), limits=(4,))
    for cut in (1, len(whole) // 2, len(whole) - 1):
        again = make(spec, SPACES["ordinal"])
        for candidates, values in whole[:cut]:
            np.testing.assert_array_equal(again.ask(len(candidates)), candidates)
            again.tell(candidates, values)
        np.testing.assert_array_equal(again.ask(4), whole[cut][0])


@pytest.mark.parametrize("spec", SPECS)
def test_declares_itself(spec: str) -> None:
    """A solver names its source, and refuses exactly the kinds of space that it says it cannot search."""
    cls = resolve(spec).cls
    assert cls.source
    assert cls.__doc__
    for kind in ("ordinal", "categorical"):
        space = Space.uniform(4, 4, kind=kind)
        if kind not in cls.kinds:
            with pytest.raises(SolverError, match=kind):
                cls(space, budget=5, seed=0)
