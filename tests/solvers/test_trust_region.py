"""trust-region-gp: what its Gaussian process says, what it finds, and what it does where there is nothing to learn."""

import os
import subprocess
import sys

import numpy as np
import pytest

from amb import Space
from amb.catalogue.solvers import resolve
from amb.errors import SpecError
from amb.testing.subject import drive, rows
from amb_solvers.trust_region.gaussian_process import GaussianProcess, best_and_latest
from amb_solvers.trust_region.handover import DEVIATION, ELITE, Handover
from amb_solvers.trust_region.kernel import Kernel, pairs
from amb_solvers.trust_region.knowledge import Knowledge, standardized
from amb_solvers.trust_region.region import LARGEST, SMALLEST, Region

PLANE = Space.uniform(2, 64)
SPACE = Space.uniform(32, 64)
PREFERRED = np.random.default_rng(5).standard_normal(32)


def peak(candidates: np.ndarray) -> np.ndarray:
    """A neuron with a preferred latent, at which it has the value 1."""
    return np.exp(-np.square(SPACE.decode(candidates) - PREFERRED).mean(axis=1))


def fitted(points: np.ndarray, targets: np.ndarray) -> GaussianProcess:
    process = GaussianProcess()
    for _ in range(8):  # the kernel moves by one place of its grid in every fit
        process.fit(points, targets, search=True)
    return process


def test_the_slope_of_the_matern_part_is_its_derivative() -> None:
    squares, step = np.array([0.3, 1.0, 2.5]), 1e-6
    kernel = Kernel(0.2, 0.7, 0.01)
    rise = (kernel.matern(squares + step)[0] - kernel.matern(squares - step)[0]) / (2 * step)
    np.testing.assert_allclose(kernel.matern(squares)[1], -2 * rise, rtol=1e-6)


def test_without_boldness_draws_are_the_posterior_mean_and_climb_its_gradient() -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((60, 8))
    process = fitted(points, standardized(points[:, 0] + np.sin(points[:, 1])))
    draws = process.draws(3, 0.0, rng)

    def mean(at: np.ndarray) -> np.ndarray:
        return np.asarray((process.kernel.combined(*pairs(at, points)) * draws.weights).sum(axis=1))

    at = points[:3]
    np.testing.assert_allclose(mean(at), process.mean()[:3], rtol=1e-9)
    steps = np.eye(8) * 1e-5
    rise = np.array([[(mean(at + step) - mean(at - step))[i] / 2e-5 for step in steps] for i in range(3)])
    np.testing.assert_allclose(draws.gradients(at), rise, rtol=1e-4, atol=1e-6)


def test_draws_scatter_around_the_mean_where_nothing_is_known_and_not_where_values_are() -> None:
    rng = np.random.default_rng(1)
    points = rng.standard_normal((40, 6))
    process = fitted(points, standardized(points[:, 0] ** 2 + points[:, 1]))
    draws = process.draws(200, 1.0, rng)

    def scatter(at: np.ndarray) -> float:
        return float((draws.prior(at) + draws.weights @ process.kernel.combined(*pairs(points, at))).std(axis=0).mean())

    assert scatter(10 * np.ones((1, 6))) > 2 * scatter(points)


def test_marginal_likelihood_tells_noise_from_shape() -> None:
    rng = np.random.default_rng(2)
    points = rng.standard_normal((120, 10))
    shape = points @ rng.standard_normal(10)
    clean = fitted(points, standardized(shape)).kernel
    noisy = fitted(points, standardized(shape + 3 * rng.standard_normal(120))).kernel
    assert clean.noise < 0.02 < noisy.noise


def test_the_window_holds_the_best_and_the_latest_rows() -> None:
    values = np.array([9.0, 1, 8, 2, 3, 4, 5, 0])
    assert best_and_latest(values, 4).tolist() == [0, 2, 6, 7]
    assert best_and_latest(values, 8).tolist() == list(range(8))


def test_the_ball_grows_with_success_shrinks_without_and_keeps_its_bounds() -> None:
    region = Region(0.6, SPACE)
    region.record(True)
    assert region.radius == 0.6
    region.record(True)
    assert region.radius > 0.6
    for _ in range(100):
        region.record(False)
    assert region.radius == SMALLEST
    for _ in range(100):
        region.record(True)
    assert region.radius == LARGEST


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_proposals_stay_in_ball_and_box(prior: str) -> None:
    space = Space.uniform(32, 64, prior=prior)
    region = Region(0.6, space)
    centres = np.zeros((5, 32))
    moved = region.inside(100 * np.random.default_rng(0).standard_normal((5, 32)), centres)
    assert (np.linalg.norm(moved - centres, axis=1) <= 0.6 * np.sqrt(32) + 1e-9).all()


def test_on_a_plane_it_finds_the_peak() -> None:
    """The grid's best point or one next to it, within sixty of its 4,096 points."""
    top = np.array([40, 22])
    solver = resolve("trust-region-gp[start=10]").make(PLANE, budget=60, seed=0)
    drive(solver, lambda rows: np.exp(-np.square(rows - top).sum(axis=1) / 200))
    assert np.abs(solver.recommend() - top).max() <= 2


def test_it_gets_farther_than_draws_of_the_prior() -> None:
    def best(spec: str) -> float:
        log = drive(resolve(spec).make(SPACE, budget=120, seed=1), peak)
        return float(max(values.max() for _, values in log))

    assert best("trust-region-gp") > best("random-prior") + 0.2


def test_a_silent_neuron_is_sampled_from_the_prior_until_it_responds() -> None:
    solver = resolve("trust-region-gp").make(SPACE, budget=200, seed=0)
    asked = rows(drive(solver, lambda rows: np.zeros(len(rows))))
    latents = SPACE.decode(asked)
    assert len(np.unique(asked, axis=0)) == 200
    assert abs(latents.mean()) < 0.05
    assert abs(latents.std() - 1) < 0.05
    assert abs(latents[-60:].std() - 1) < 0.1


def test_noise_is_noticed_by_measuring_again_and_exact_values_are_trusted() -> None:
    """Two of the queries repeat the best candidate; without noise no other candidate is measured twice."""
    exact = resolve("trust-region-gp").make(SPACE, budget=100, seed=0)
    log = drive(exact, peak)
    values = np.concatenate([values for _, values in log])
    assert len(np.unique(rows(log), axis=0)) == 98
    assert np.array_equal(exact.recommend(), rows(log)[values.argmax()])


def test_under_noise_the_highest_posterior_mean_is_better_than_the_luckiest_measurement() -> None:
    """In the mean of twelve sets of 150 noisy measurements between the prior and the peak."""
    by_mean, by_luck = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        closeness = rng.uniform(0, 0.7, (150, 1))
        measured = SPACE.nearest(closeness * PREFERRED + (1 - closeness) * rng.standard_normal((150, 32)))
        values = peak(measured) + 0.3 * rng.standard_normal(150)
        known = Knowledge(SPACE)
        for part in range(0, 150, 15):
            known.add(measured[part : part + 15], values[part : part + 15])
            known.fit()
        by_mean.append(peak(measured[known.leaders(1)])[0])
        by_luck.append(peak(measured[[values.argmax()]])[0])
    assert np.mean(by_mean) > np.mean(by_luck) + 0.02


def test_under_noise_it_recommends_the_highest_posterior_mean() -> None:
    noise = np.random.default_rng(1)
    solver = resolve("trust-region-gp").make(SPACE, budget=60, seed=0)
    log = drive(solver, lambda c: peak(c) + 0.2 * noise.standard_normal(len(c)))
    lucky = rows(log)[np.concatenate([values for _, values in log]).argmax()]
    assert not np.array_equal(solver.recommend(), lucky)


def test_a_repeat_that_failed_says_nothing_about_noise() -> None:
    known = Knowledge(PLANE)
    row = np.array([[3, 4]])
    known.add(row, np.array([1.0]))
    known.add(row, np.array([np.nan]))
    assert not known.noisy
    known.add(row, np.array([1.5]))
    assert known.noisy


def test_candidates_that_were_measured_are_moved_to_a_neighbour() -> None:
    known = Knowledge(SPACE)
    row = np.full((1, 32), 20)
    known.add(row, np.array([1.0]))
    moved = known.unseen(np.repeat(row, 3, axis=0), np.random.default_rng(0))
    assert np.abs(moved - row).max() == 1
    assert len(np.unique(np.vstack([row, moved]), axis=0)) == 4


@pytest.mark.parametrize("option", ["start=1", "k=0", "radius=0.0", "boldness=-1.0", "steps=0"])
def test_options_out_of_range_are_refused(option: str) -> None:
    with pytest.raises(SpecError, match="expected start >= 2"):
        resolve(f"trust-region-gp[{option}]").make(SPACE, budget=10, seed=0)


TRACE = """
import hashlib, numpy as np
from amb import Space
from amb.catalogue.solvers import resolve
space = Space.uniform(128, 64)
solver = resolve("trust-region-gp[handover=100]").make(space, budget=140, seed=0)  # climbs, and CMA after them
seen = hashlib.sha256()
while solver.remaining:
    candidates = solver.ask()
    seen.update(candidates.tobytes())
    solver.tell(candidates, np.exp(-np.square(space.decode(candidates)[:, :40] - 1).mean(axis=1)))
print(seen.hexdigest())
"""


def test_the_number_of_threads_of_the_linear_algebra_does_not_matter() -> None:
    """Threads change the last bits of sums; candidates on the grid do not carry them on."""
    traces = [
        subprocess.run(
            [sys.executable, "-c", TRACE],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    ]
    assert traces[0] == traces[1] != ""


def test_cma_continues_where_the_climbs_end_with_offspring_that_the_process_prefers() -> None:
    known = Knowledge(SPACE)
    rng = np.random.default_rng(0)
    drawn = SPACE.sample_prior(100, rng)
    known.add(drawn, peak(drawn))
    known.fit()
    later = Handover(known, 0, rng)
    start = known.points(drawn[known.leaders(ELITE)]).mean(axis=0)
    chosen = known.points(later.generate())
    offspring = start + DEVIATION * rng.standard_normal((300, 32))
    assert np.abs(chosen.mean(axis=0) - start).max() < 4 * DEVIATION / np.sqrt(len(chosen))
    assert known.process.mean(chosen).mean() > known.process.mean(offspring).mean()
    before = known.candidates.copy()
    later.learn(np.full(len(chosen), np.nan))  # forgotten
    assert len(later.generate()) == len(chosen)
    assert np.array_equal(known.candidates, before)


def test_after_the_handover_the_search_goes_on() -> None:
    log = drive(resolve("trust-region-gp[handover=100]").make(SPACE, budget=700, seed=0), peak)
    values = np.concatenate([values for _, values in log])
    assert values[-100:].mean() > values[:100].max()
    assert values.max() > 0.95
