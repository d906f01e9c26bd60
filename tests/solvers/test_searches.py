"""The methods beyond tensor trains: geometry, invariances, and that each one searches."""

from math import pi

import numpy as np
import pytest

from amb.catalogue.solvers import resolve
from amb.contracts.space import IntArray, Space
from amb.errors import SolverError, SpecError
from amb.testing.subject import drive
from amb_solvers.evolution.one_plus_lambda import mutate
from amb_solvers.evolution.sphere import follow, great_circle, unit
from amb_solvers.search.annealing import Annealing
from amb_solvers.search.local_search import LocalSearch
from amb_solvers.search.neighbours import neighbours
from amb_solvers.shared.cma_defaults import log_weights
from amb_solvers.tensor_train.tt_elite import TTElite

SPACE = Space.uniform(24, 16)


def best_of(spec: str, seed: int, budget: int = 600) -> float:
    """Best value on a smooth objective with its peak near the prior's mean, by the latents' distance."""
    peak = np.random.default_rng(100 + seed).standard_normal(SPACE.d)
    solver = resolve(spec).make(SPACE, budget=budget, seed=seed)
    best = -np.inf
    while solver.remaining:
        candidates = solver.ask()
        values = -np.linalg.norm(SPACE.decode(candidates) - peak, axis=1)
        solver.tell(candidates, values)
        best = max(best, values.max())
    return best


@pytest.mark.parametrize(
    "spec",
    [
        "protes",
        "tt",
        "tt-s",
        "tt-b",
        "tt-elite",
        "one-plus-lambda",
        "local-search",
        "annealing",
        "cma",
        "cma-diagonal",
        "snes",
        "growing-snes",
        "sphere-cma",
    ],
)
def test_learns_more_than_random_search(spec: str) -> None:
    """After 600 queries of a smooth objective a solver beats random search over the same kind of start, on
    each of three seeds."""
    on_latents = ("cma", "cma-diagonal", "snes", "growing-snes", "sphere-cma", "one-plus-lambda")
    floor = "random-prior" if spec in (*on_latents, "local-search", "annealing") else "random"
    for seed in range(3):
        assert best_of(spec, seed) > best_of(floor, seed)


def test_portfolio_beats_random_search() -> None:
    """The same for Nevergrad's Portfolio, which learns from its unrounded points."""
    assert best_of("portfolio", 0, 300) > best_of("random", 0, 300)


def test_sphere_geometry() -> None:
    """Tangents are followed by their angle; the great circle passes both points and goes on."""
    base, across = np.eye(3)[0], np.eye(3)[1]
    np.testing.assert_allclose(follow(base, np.array([across * pi / 2, 0 * across])), [across, base], atol=1e-12)
    np.testing.assert_allclose(great_circle(base, across, 1.0), across, atol=1e-12)
    np.testing.assert_allclose(great_circle(base, across, 1.5), unit(across - base), atol=1e-12)
    np.testing.assert_array_equal(great_circle(base, base, 1.5), base)


def test_sphere_cma_stays_on_its_sphere() -> None:
    """Every latent of every generation has the requested norm."""
    solver = resolve("sphere-cma[norm=3.0]").make(SPACE, budget=200, seed=0)
    while solver.remaining:
        candidates = solver.ask()
        np.testing.assert_allclose(np.linalg.norm(solver._batch, axis=1), 3.0)  # type: ignore[attr-defined]
        solver.tell(candidates, -candidates.sum(axis=1).astype(float))


@pytest.mark.parametrize("kind", ["ordinal", "categorical"])
def test_neighbours_differ_in_one_mode(kind: str) -> None:
    """By at most the reach if levels have an order, otherwise to any other level; all levels are reached."""
    space = Space(np.array([2, 1, 16]), kind=kind)  # type: ignore[arg-type]
    point = np.array([0, 0, 3])
    rows = neighbours(point, 3000, space, 0.25, np.random.default_rng(0))
    assert ((rows != point).sum(axis=1) == 1).all()
    assert set(rows[:, 0]) == {0, 1}
    assert set(rows[:, 2]) == (set(range(8)) if kind == "ordinal" else set(range(16)))


def test_local_search_starts_again_at_a_local_optimum() -> None:
    """After its patience without a better neighbour it draws from the prior."""
    solver = LocalSearch(Space.uniform(20, 16), budget=100, seed=0, k=5, patience=10)
    first = solver.ask()
    solver.tell(first, np.arange(5.0))
    for _ in range(2):
        rows = solver.ask()
        assert ((rows != first[4]).sum(axis=1) == 1).all()
        solver.tell(rows, np.zeros(5))
    assert ((solver.ask() != first[4]).sum(axis=1) > 5).all()


def test_annealing_accepts_worse_neighbours_as_metropolis_does() -> None:
    """At temperature T a loss of T is accepted in e^-1 of cases."""
    accepted = 0
    for seed in range(2000):
        solver = Annealing(SPACE, budget=10**6, seed=seed, hot=0.2, cold=0.2)
        solver.tell(solver.ask(), [1.0])
        rows = solver.ask()
        solver.tell(rows, [0.8])
        accepted += np.array_equal(solver._point, rows[0])  # type: ignore[arg-type]
    assert accepted / 2000 == pytest.approx(np.exp(-1), abs=0.04)


def test_annealing_cools_geometrically() -> None:
    """From hot to cold over the budget, the geometric mean half way."""
    solver = Annealing(SPACE, budget=100, seed=0, hot=0.1, cold=0.001)
    assert solver.temperature == pytest.approx(0.1)
    drive(solver, stop=50)
    assert solver.temperature == pytest.approx(0.01)
    drive(solver)
    assert solver.temperature == pytest.approx(0.001)


def test_recombination_weights() -> None:
    """Positive, falling, summing to one."""
    weights = log_weights(7)
    assert weights.sum() == pytest.approx(1)
    assert (np.diff(weights) < 0).all()
    assert (weights > 0).all()


def test_mutation_changes_at_least_one_mode_to_another_level() -> None:
    """No child equals its parent, fixed dimensions stay, and every other level is reached."""
    levels = np.array([3, 1, 4])
    rows = np.zeros((2000, 3), dtype=np.int64)
    mutate(rows, levels, np.array([0, 2]), 0.5, np.random.default_rng(0))
    assert (rows != 0).any(axis=1).all()
    assert (rows[:, 1] == 0).all()
    assert set(rows[:, 0]) == {0, 1, 2}
    assert set(rows[:, 2]) == {0, 1, 2, 3}


def tell_batches(solver: TTElite, values: list[float]) -> list[IntArray]:
    elites = []
    for value in values:
        solver.tell(solver.ask(), np.full(solver.k, value))
        elites.append(solver._elites.copy())
    return elites


def test_elites_stay_for_ever_or_for_their_patience() -> None:
    """Without patience the best batch stays in the archive; with it, it leaves after that many batches."""
    big = Space.uniform(64, 64)  # no candidate is drawn twice
    values = [1.0, 0.0, 0.0, 0.0]
    first, *_, last = tell_batches(TTElite(big, budget=1000, seed=0, k=5, k_top=5), values)
    assert {row.tobytes() for row in first} == {row.tobytes() for row in last}
    _, second, third, fourth = tell_batches(TTElite(big, budget=1000, seed=0, k=5, k_top=5, patience=2), values)
    assert {row.tobytes() for row in first} == {row.tobytes() for row in second}
    assert {row.tobytes() for row in second} == {row.tobytes() for row in third}
    assert not {row.tobytes() for row in third} & {row.tobytes() for row in fourth}


def test_a_candidate_measured_again_counts_with_its_newest_value() -> None:
    """Under noise the luckiest draw does not stay elite by that draw alone."""
    solver = TTElite(Space.uniform(1, 2), budget=100, seed=0, k=4, k_top=2)
    solver.tell(solver.ask(), np.full(4, 9.0))
    for _ in range(5):
        solver.tell(solver.ask(), np.full(4, 1.0))
    assert (solver._scores == 1.0).all()


@pytest.mark.parametrize(
    "spec",
    [
        "protes[k=0]",
        "tt-b[k_top=26]",
        "tt-s[lr=-1.0]",
        "snes[k=1]",
        "growing-snes[k=1]",
        "growing-snes[hold=0]",
        "growing-snes[most=9]",
        "sphere-cma[angle=1.0]",
        "one-plus-lambda[k=0]",
        "local-search[k=0]",
        "annealing[cold=1.0]",
    ],
)
def test_impossible_options_are_refused(spec: str) -> None:
    """One line says what was expected and what was received."""
    with pytest.raises(SpecError, match=r"expected.*got"):
        resolve(spec).make(SPACE, budget=10, seed=0)


def test_nevergrad_refuses_what_it_cannot_do() -> None:
    """For an unknown optimizer the nearest names are suggested; an order on categories is refused."""
    with pytest.raises(SpecError, match="OnePlusOne"):
        resolve("nevergrad[name=OnePlusOn]").make(SPACE, budget=10, seed=0)
    with pytest.raises(SolverError, match="parametrization=choice"):
        resolve("nevergrad[name=CMA,parametrization=ordinal]").make(
            Space.uniform(3, 3, kind="categorical"), budget=10, seed=0
        )


def test_sphere_cma_has_the_authors_schedules() -> None:
    """Degrees around a mean: exponential from 50 to 7.33 over 75 generations, or 15 + 1 / (0.0017 g + 0.0146)."""
    for schedule, expected in {
        "exponential": {0: 50.0, 25: 26.14, 50: 13.66, 74: 7.33, 90: 7.33},
        "inverse": {0: 76.35, 24: 32.51, 49: 25.04, 74: 22.04, 90: 22.04},
    }.items():
        solver = resolve(f"sphere-cma[schedule={schedule}]").make(SPACE, budget=4040, seed=0)
        angles = []
        while solver.remaining:
            if solver._mean is not None:
                angles.append(solver.current_angle)
            candidates = solver.ask()
            solver.tell(candidates, np.arange(len(candidates)) / 40)
        assert {g: round(angles[g], 2) for g in expected} == pytest.approx(expected, abs=0.02)


def test_sphere_cma_has_one_schedule_for_every_population() -> None:
    """After as many queries the angle is the same, but for the mean's own queries."""
    solver = resolve("sphere-cma[k=20]").make(SPACE, budget=4000, seed=0)
    for _ in range(41):
        solver.tell(rows := solver.ask(), np.arange(len(rows)) / 20)
    assert solver.current_angle == pytest.approx(50 * (7.33 / 50) ** (20 / 74))


def test_sphere_cma_measures_its_mean_and_explores_at_its_angle() -> None:
    """The mean is the first of a generation; in many dimensions the others lie at about the scheduled angle from it.

    The mean's value, here the highest by far, takes no part in the ranking.
    """
    space = Space.uniform(128, 64)
    for schedule, angle in {"exponential": 50.0, "inverse": 76.36}.items():
        solver = resolve(f"sphere-cma[schedule={schedule}]").make(space, budget=200, seed=0)
        twin = resolve(f"sphere-cma[schedule={schedule}]").make(space, budget=200, seed=0)
        for each in (solver, twin):
            first = each.ask()
            assert len(first) == 40
            each.tell(first, np.arange(40) / 40)
        second = solver.ask()
        assert len(second) == 41
        np.testing.assert_array_equal(second[0], space.nearest(solver.norm * solver._mean[None])[0])
        found = np.degrees(np.arccos(solver._units[1:] @ solver._mean))
        assert found.mean() == pytest.approx(angle, rel=0.05)
        solver.tell(second, np.r_[99.0, np.arange(40) / 40])
        twin.tell(twin.ask(), np.r_[0.0, np.arange(40) / 40])
        np.testing.assert_array_equal(solver.ask(), twin.ask())
        np.testing.assert_array_equal(solver.recommend(), second[0])
