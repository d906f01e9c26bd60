"""Step 5: how probable is it that one solver is better, or that both are practically equal?"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def posterior_weights(
    differences: int, *, draws: int = 10_000, strength: float = 1.0, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draws of the weights of the differences under the Dirichlet process, float[draws, 1 + differences].

    Args:
        differences: number of them.
        draws: number of posterior draws.
        strength: weight of the prior's pseudo-difference at 0, which comes first.
        rng: random generator of the draws.
    """
    return rng.dirichlet([strength, *np.ones(differences)], size=draws)


def signed_rank_posterior(
    differences: NDArray[np.float64], *, rope: float | NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[float, float, float]:
    """The Bayesian signed-rank test (Benavoli et al. 2017, section 4.2.1).

    The prior is a Dirichlet process with one pseudo-difference at 0. The posterior weights of the differences are then
    Dirichlet, and each draw of them gives the probability that a Walsh average lies below, inside or above the region
    of practical equivalence [-rope, rope].

    Args:
        differences: float[n], first minus second on every problem.
        rope: half the width of the region of practical equivalence, in the unit of the differences; one for all, or
            float[n], one for each: a Walsh average is then compared with the mean of its two.
        weights: draws of `posterior_weights`, float[draws, 1 + n].

    Returns:
        Probabilities that the first is better, that both are practically equal, and that the second is better: the
        shares of draws in which that outcome is the likeliest. They add up to 1; NaN if there are no differences.
    """
    if len(differences) == 0:
        return np.nan, np.nan, np.nan
    z = np.concatenate([[0.0], np.asarray(differences, dtype=np.float64)])
    walsh = z[:, None] + z[None, :]
    half = np.broadcast_to(np.asarray(rope, dtype=np.float64), len(differences))
    half = np.concatenate([[half.mean()], half])
    bound = half[:, None] + half[None, :]
    better = (weights @ (walsh > bound).astype(float) * weights).sum(axis=1)
    worse = (weights @ (walsh < -bound).astype(float) * weights).sum(axis=1)
    outcome = np.stack([better, 1 - better - worse, worse], axis=1)
    likeliest = np.isclose(outcome, outcome.max(axis=1, keepdims=True), rtol=0, atol=1e-12)
    shares = (likeliest / likeliest.sum(axis=1, keepdims=True)).mean(axis=0)
    return float(shares[0]), float(shares[1]), float(shares[2])


MOST_PAIRS = 300
"""Of more pairs, only those with the first two solvers have posteriors: each takes some milliseconds."""


def add_posteriors(
    pairs: pd.DataFrame,
    scores: pd.DataFrame,
    spans: pd.Series,
    *,
    rope: float,
    draws: int = 10_000,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """The pairs with `rope` and the probabilities `first_better`, `equal` and `second_better`.

    Differences are on the scale on which the tests are, that of scores; a problem's region is a share of its range. All
    pairs share the draws of the weights. Of more than `MOST_PAIRS`, only the pairs with one of the first pair's solvers
    have probabilities.

    Args:
        pairs: the table of `compare_pairs`.
        scores: problem × solver, medians.
        spans: problem -> the width of its range (see `ranges`).
        rope: region of practical equivalence, as a share of the range.
        draws: number of posterior draws.
        rng: their random generator.
    """
    widths = spans.reindex(scores.index).to_numpy(dtype=float)
    widths = np.where(widths > 0, widths, 1.0)
    values = {solver: scores[solver].to_numpy(dtype=float) for solver in scores.columns}
    weights = posterior_weights(len(scores), draws=draws, rng=rng)
    chosen = pd.Series(True, index=pairs.index)
    if len(pairs) > MOST_PAIRS:
        leading = pairs.iloc[0][["first", "second"]].tolist()
        chosen = pairs["first"].isin(leading) | pairs["second"].isin(leading)
    rows = [
        signed_rank_posterior(values[first] - values[second], rope=rope * widths, weights=weights)
        if wanted
        else (np.nan, np.nan, np.nan)
        for first, second, wanted in zip(pairs["first"], pairs["second"], chosen, strict=True)
    ]
    posterior = pd.DataFrame(rows, columns=["first_better", "equal", "second_better"], index=pairs.index)
    return pd.concat([pairs, posterior], axis=1).assign(rope=rope)
