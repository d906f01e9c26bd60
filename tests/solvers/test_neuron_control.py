"""The methods of neuron control, against their published equations and packages."""

import numpy as np
import pytest

from amb.contracts.solver import Solver
from amb.contracts.space import Space
from amb_solvers.evolution.cholesky_cma import CholeskyCMA, rank_one
from amb_solvers.evolution.cma_margin import CMAMargin
from amb_solvers.evolution.growing_snes import GrowingSNES
from amb_solvers.evolution.snes import SNES
from amb_solvers.evolution.xdream_ga import XDreamGA, fitness

SPACE = Space.uniform(12, 16)


def test_the_cholesky_factor_follows_the_rank_one_update_of_the_covariance() -> None:
    """A'A is (1 - c) C + c p p' after every update, and the inverse stays the inverse."""
    rng = np.random.default_rng(0)
    factor, inverse = np.eye(6), np.eye(6)
    covariance = np.eye(6)
    for _ in range(20):
        path = rng.standard_normal(6)
        factor, inverse = rank_one(factor, inverse, path, 0.2)
        covariance = 0.8 * covariance + 0.2 * np.outer(path, path)
        np.testing.assert_allclose(factor.T @ factor, covariance, atol=1e-10)
        np.testing.assert_allclose(factor @ inverse, np.eye(6), atol=1e-8)


def test_the_population_of_growing_snes_grows_with_the_root_of_the_queries() -> None:
    """Ten up to 200 queries, twice as many at 800, up to the limit; before it grows it is snes."""
    solver = GrowingSNES(SPACE, budget=2000, seed=0, most=24)
    small = SNES(SPACE, budget=2000, seed=0, k=10)
    rng = np.random.default_rng(0)
    sizes: dict[int, int] = {}
    asked = 0
    while asked < 2000:
        rows = solver.ask()
        values = rng.random(len(rows))
        if asked < 200:
            np.testing.assert_array_equal(rows, small.ask())
            small.tell(rows, values)
        solver.tell(rows, values)
        sizes[asked] = len(rows)
        asked += len(rows)
    assert {size for start, size in sizes.items() if start <= 200} == {10}
    grown = {start: size for start, size in sizes.items() if 200 < start < 1100}
    assert all(size == pytest.approx(10 * np.sqrt(start / 200), abs=0.5) for start, size in grown.items())
    assert {size for start, size in sizes.items() if 1200 < start < 1950} == {24}


def test_growing_snes_grows_to_the_population_of_snes() -> None:
    """But not down to it."""
    space = Space.uniform(128, 64)
    assert GrowingSNES(space, budget=10, seed=0)._most == SNES(space, budget=10, seed=0).k == 18
    assert GrowingSNES(space, budget=10, seed=0, k=30)._most == 30


def test_cholesky_cma_has_the_published_rates() -> None:
    """At the authors' 4,096 dimensions and population 40: c_c = 0.00098, c_s = 0.0499 and c_1 = 1.19e-7."""
    solver = CholeskyCMA.__new__(CholeskyCMA)
    small = Space.uniform(4096, 2)
    CholeskyCMA.__init__(solver, small, budget=10, seed=0)
    assert solver._c_path == pytest.approx(0.0009756, abs=1e-7)
    assert solver._c_one == pytest.approx(1.19127e-07, rel=1e-3)
    assert solver._c_sigma == pytest.approx(0.0499, abs=6e-3)
    assert solver._damping == pytest.approx(1 + solver._c_sigma)


def test_cholesky_cma_measures_its_start_and_updates_every_eleventh_generation() -> None:
    """As in the authors' experiments: the prior's mean alone, then populations; their setting of 10 means 11."""
    solver = CholeskyCMA(SPACE, budget=2000, seed=0)
    first = solver.ask()
    np.testing.assert_array_equal(first, SPACE.nearest(np.zeros((1, SPACE.d))))
    solver.tell(first, [0.5])
    for generation in range(1, 23):
        rows = solver.ask()
        assert len(rows) == 40
        before = solver._factor
        solver.tell(rows, np.arange(40) / 40)
        assert np.array_equal(before, solver._factor) == (generation % 11 != 0)


@pytest.mark.parametrize("method", [CholeskyCMA, SNES, XDreamGA])
def test_a_search_may_leave_the_box(method: type[Solver]) -> None:
    """Where more is always better, the search goes on beyond the highest level, as in the sources; it was clipped."""
    search = method(SPACE, budget=4000, seed=0)
    while search.remaining:
        rows = search.ask()
        latents = search._proposed
        assert latents is not None
        search.tell(rows, latents.sum(axis=1))
    assert latents.mean() > SPACE.high


def test_xdream_fitness_is_a_softmax_at_the_deviation_over_the_selectivity() -> None:
    """With T = std / selectivity, chances fall by e per T below the 95% quantile; equal values have equal chances."""
    values = np.linspace(5, 1, 41)
    chances = fitness(values, 2.0)
    assert chances.sum() == pytest.approx(1)
    cut = np.percentile(values, 95)
    assert chances[0] == chances[1]  # both cut
    ratio = np.exp((cut - values[-1]) / (values.std() / 2))
    assert chances[0] / chances[-1] == pytest.approx(ratio)
    np.testing.assert_allclose(fitness(np.full(7, 3.0), 2.0), 1 / 7)


def test_xdream_mixes_two_parents_and_mutates_some_genes() -> None:
    """Without mutation every gene is a parent's, half from each; with it, the share of changed genes is the rate."""
    still = XDreamGA(SPACE, budget=10, seed=0, mutation_rate=0.0)
    parents = np.array([np.zeros(12), np.ones(12)])
    children = still._mutate(still._breed(parents, np.array([0.5, 0.5]), 2000))
    assert set(np.unique(children)) == {0.0, 1.0}
    assert np.mean((children.min(axis=1) == 0) & (children.max(axis=1) == 1)) == pytest.approx(0.5, abs=0.05)
    rows = XDreamGA(SPACE, budget=10, seed=0, mutation_size=0.1)._mutate(np.zeros((2000, 12)))
    assert np.mean(rows != 0) == pytest.approx(0.5, abs=0.02)
    assert rows[rows != 0].std() == pytest.approx(0.1, rel=0.05)


def test_xdream_measures_failed_and_kept_candidates_again() -> None:
    """The next population begins with the best, unchanged, and ends with those whose query failed."""
    solver = XDreamGA(SPACE, budget=100, seed=0, k=10, keep=2)
    first = solver.ask()
    values = np.arange(10.0)
    values[[3, 7]] = np.nan
    solver.tell(first, values)
    second = solver.ask()
    assert len(second) == 10
    np.testing.assert_array_equal(second[:2], first[[9, 8]])
    np.testing.assert_array_equal(second[-2:], first[[3, 7]])


def test_cma_margin_asks_what_the_package_asks() -> None:
    """With the package's seeds the populations are the package's, level for level."""
    cmaes = pytest.importorskip("cmaes")
    solver = CMAMargin(SPACE, budget=80, seed=3)
    seeds, d = np.random.default_rng(3), SPACE.d
    package = cmaes.CMAwM(
        mean=np.full(d, 0.5),
        sigma=0.125,
        bounds=np.tile([0.0, 1.0], (d, 1)),
        steps=np.full(d, 1 / 15),
        population_size=solver.k,
        seed=0,
    )
    for _ in range(4):
        package.reseed_rng(int(seeds.integers(2**31)))
        asked = [package.ask() for _ in range(solver.k)]
        rows = solver.ask()
        np.testing.assert_array_equal(rows, np.rint([15 * point for point, _ in asked]))
        losses = np.abs(rows - 4.0).sum(axis=1)
        solver.tell(rows, -losses)
        package.tell([(point, loss) for (_, point), loss in zip(asked, losses, strict=True)])
