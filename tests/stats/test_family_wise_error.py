"""The pipeline keeps its promise: under the null at most 5% of studies show any difference at all."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, wilcoxon

from amb.stats.omnibus import omnibus
from amb.stats.pairs import compare_pairs

ALPHA = 0.05
SEEDS = 5
GRID = [(share, problems, solvers) for share in (0.0, 0.3, 0.6) for problems in (6, 12, 30) for solvers in (3, 5, 8)]


def null_scores(rng: np.random.Generator, share: float, problems: int, solvers: int) -> np.ndarray:
    """Scores of equal solvers, float[problems, solvers, seeds], nested and skewed as real ones are.

    Networks (three of them) and units differ in level and in spread, seeds scatter skewly; on a `share` of
    the problems every run saturates at 1.0.
    """
    network = rng.normal(0, 0.15, 3)[np.arange(problems) % 3]
    unit = rng.normal(0, 0.1, problems)
    spread = rng.lognormal(-3, 0.7, problems)[:, None, None]
    noise = rng.gumbel(0, 1, (problems, solvers, SEEDS)) * spread
    scores = np.minimum((0.5 + network + unit)[:, None, None] + noise, 0.999)
    scores[rng.permutation(problems)[: round(share * problems)]] = 1.0
    return scores


def rejections(rng: np.random.Generator, share: float, problems: int, solvers: int, studies: int) -> list[int]:
    """Studies in which a pair, or the omnibus test, is significant; half of them break ties by queries."""
    found = [0, 0]
    for study in range(studies):
        medians = np.median(null_scores(rng, share, problems, solvers), axis=2)
        if study % 2:
            medians = medians + 1e-6 * (medians == 1.0) * np.median(rng.random((problems, solvers, SEEDS)), axis=2)
        blocks = pd.DataFrame(medians, columns=[f"s{i}" for i in range(solvers)])
        found[0] += bool(compare_pairs(blocks, alpha=ALPHA)["differs"].any())
        found[1] += bool(omnibus(blocks)["p"].iloc[0] <= ALPHA)
    return found


def most(studies: int, rate: float) -> int:
    """Rejections that a true rate would exceed once in 10,000 times."""
    return int(binom.ppf(1 - 1e-4, studies, rate))


def test_pairs_hold_their_family_wise_error() -> None:
    """All 27 combinations of saturation, problems and solvers, pooled and one by one; 20 studies each."""
    rng = np.random.default_rng(20_240_601)
    counts = np.array([rejections(rng, *cell, studies=20) for cell in GRID])
    assert counts[:, 0].max() <= most(20, ALPHA)
    assert counts[:, 0].sum() <= most(20 * len(GRID), ALPHA)
    # The omnibus test's F distribution is an approximation, a little liberal for few problems.
    assert counts[:, 1].sum() <= most(20 * len(GRID), 0.06)


@pytest.mark.slow
@pytest.mark.parametrize(("share", "problems", "solvers"), GRID)
def test_pairs_hold_their_family_wise_error_at_length(share: float, problems: int, solvers: int) -> None:
    """The same with 1,000 studies a combination."""
    rng = np.random.default_rng([int(share * 10), problems, solvers])
    pairs, _ = rejections(rng, share, problems, solvers, studies=1000)
    assert pairs <= most(1000, ALPHA)


def test_a_true_difference_is_found() -> None:
    """The tests are not merely silent: of 12 problems, a solver that is better by two spreads is found."""
    rng = np.random.default_rng(8)
    found = 0
    for _ in range(30):
        scores = null_scores(rng, 0.3, 12, 3)
        scores[:, 0] = np.where(scores[:, 0] < 1, scores[:, 0] + 0.3, 1.0)
        table = compare_pairs(pd.DataFrame(np.median(scores, axis=2), columns=list("abc")))
        found += bool(table.loc[table["first"] == "a", "differs"].all())
    assert found >= 24


def test_pooling_seeds_as_if_they_were_problems_would_not_hold() -> None:
    """Why the block is the problem: with solver × problem effects, testing seeds rejects far too often."""
    rng = np.random.default_rng(9)
    pooled = blocked = 0
    for _ in range(60):
        effects = rng.normal(0, 0.05, (8, 2, 1))  # which solver suits a problem is chance
        scores = effects + rng.normal(0, 0.02, (8, 2, 15))
        pooled += wilcoxon((scores[:, 0] - scores[:, 1]).ravel()).pvalue <= ALPHA
        table = compare_pairs(pd.DataFrame(np.median(scores, axis=2), columns=list("ab")))
        blocked += bool(table["differs"].any())
    assert pooled >= 18
    assert blocked <= most(60, ALPHA)
