"""Methods that handle noise within their budget."""

import numpy as np

from amb import Space
from amb.catalogue.solvers import resolve
from amb.testing.subject import drive, rows

SPACE = Space.uniform(8, 64)
NOISE = 0.15


def clean(candidates: np.ndarray) -> np.ndarray:
    return np.exp(-np.square(SPACE.decode(candidates) - 1).mean(axis=1))


def noisy_run(spec: str, seed: int) -> tuple[float, float]:
    """Noise-free values of the recommended and of the luckiest candidate, after 600 queries; the noise is another
    stream than the solver's."""
    noise = np.random.default_rng([seed, 1])
    solver = resolve(spec).make(SPACE, budget=600, seed=seed)
    log = drive(solver, lambda c: clean(c) + NOISE * noise.standard_normal(len(c)))
    lucky = rows(log)[np.concatenate([values for _, values in log]).argmax()]
    chosen, luckiest = clean(np.array([solver.recommend(), lucky]))
    return float(chosen), float(luckiest)


def test_an_average_of_means_is_better_than_the_luckiest_draw() -> None:
    """In the mean of six runs, with seeds on which its memory was not chosen."""
    chosen, luckiest = np.mean([noisy_run("cma-mean", seed) for seed in range(40, 46)], axis=0)
    assert chosen > luckiest + 0.01


def test_measuring_the_parent_again_pays() -> None:
    """In the mean of thirty runs the search that remeasures gets farther than the one that trusts a lucky parent."""
    again, once = (
        np.mean([noisy_run(spec, seed)[0] for seed in range(100, 130)])
        for spec in ("one-plus-lambda-resampling", "one-plus-lambda")
    )
    assert again > once + 0.03


def test_the_parent_is_measured_again_in_every_generation() -> None:
    """It is the first of ten queries, within the budget, and what is recommended was measured at least twice."""
    noise = np.random.default_rng([0, 1])
    solver = resolve("one-plus-lambda-resampling").make(SPACE, budget=300, seed=0)
    log = drive(solver, lambda c: clean(c) + NOISE * noise.standard_normal(len(c)))
    asked = rows(log)
    assert len(asked) == 300
    parents = [candidates[0] for candidates, _ in log[1:]]
    earlier = [rows(log[: i + 1]) for i in range(len(parents))]
    assert all((before == parent).all(axis=1).any() for before, parent in zip(earlier, parents, strict=True))
    assert (asked == solver.recommend()).all(axis=1).sum() > 1


def test_cma_recommends_its_mean_near_the_peak() -> None:
    """The mean of a run without noise is at the peak, up to the grid."""
    solver = resolve("cma-mean").make(SPACE, budget=3000, seed=0)
    drive(solver, clean)
    assert np.abs(SPACE.decode(solver.recommend()[None]) - 1).max() < 0.3
