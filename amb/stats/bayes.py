"""Step 5: how probable is it that one solver is better, or that both are practically equal?"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def signed_rank_posterior(
    differences: NDArray[np.float64],
    *,
    rope: float,
    rng: np.random.Generator,
    draws: int = 10_000,
    strength: float = 1.0,
) -> tuple[float, float, float]:
    """The Bayesian signed-rank test (Benavoli et al. 2017, section 4.2.1).

    The prior is a Dirichlet process with one pseudo-difference of weight `strength` at 0. The posterior weights of the
    differences are then Dirichlet, and each draw of them gives the probability that a Walsh average lies below, inside
    or above the region of practical equivalence [-rope, rope].

    Args:
        differences: float[n], first minus second on every problem.
        rope: half the width of the region of practical equivalence, in the unit of the differences.
        rng: random generator of the posterior draws.
        draws: number of posterior draws.
        strength: weight of the prior.

    Returns:
        Probabilities that the first is better, that both are practically equal, and that the second is better: the
        shares of draws in which that outcome is the likeliest. They add up to 1.
    """
    z = np.concatenate([[0.0], np.asarray(differences, dtype=np.float64)])
    walsh = z[:, None] + z[None, :]
    above = (walsh > 2 * rope).astype(float)
    below = (walsh < -2 * rope).astype(float)
    weights = rng.dirichlet([strength, *np.ones(len(z) - 1)], size=draws) if len(z) > 1 else np.ones((draws, 1))
    better = np.einsum("di,ij,dj->d", weights, above, weights, optimize=True)
    worse = np.einsum("di,ij,dj->d", weights, below, weights, optimize=True)
    outcome = np.stack([better, 1 - better - worse, worse], axis=1)
    likeliest = np.isclose(outcome, outcome.max(axis=1, keepdims=True), rtol=0, atol=1e-12)
    shares = (likeliest / likeliest.sum(axis=1, keepdims=True)).mean(axis=0)
    return float(shares[0]), float(shares[1]), float(shares[2])


def add_posteriors(
    pairs: pd.DataFrame,
    scores: pd.DataFrame,
    spans: pd.Series,
    *,
    rope: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """The pairs with `rope` and the probabilities `first_better`, `equal` and `second_better`.

    Args:
        pairs: the table of `compare_pairs`.
        scores: problem × solver, medians.
        spans: problem -> the width of its range (see `ranges`); differences are divided by it.
        rope: region of practical equivalence, as a share of the range.
        rng: random generator of the posterior draws.
    """
    widths = spans.reindex(scores.index).to_numpy(dtype=float)
    widths = np.where(widths > 0, widths, 1.0)
    rows = []
    for first, second in zip(pairs["first"], pairs["second"], strict=True):
        differences = (scores[first] - scores[second]).to_numpy(dtype=float) / widths
        rows.append(signed_rank_posterior(differences, rope=rope, rng=rng))
    posterior = pd.DataFrame(rows, columns=["first_better", "equal", "second_better"], index=pairs.index)
    return pd.concat([pairs, posterior], axis=1).assign(rope=rope)
