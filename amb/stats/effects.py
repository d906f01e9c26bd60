"""Step 4: how large are the differences, and how certain?"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from amb.stats.panel import Panel, resample


def hodges_lehmann(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of the Walsh averages: the estimate that belongs to the signed-rank test.

    Args:
        differences: float[n, ...], n >= 1 paired differences.

    Returns:
        float[...] (Hodges & Lehmann 1963).
    """
    i, j = np.triu_indices(len(differences))
    return np.median((differences[i] + differences[j]) / 2, axis=0)


def a12(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Probability that a run of the first scores higher than a run of the second, a tie counting half.

    Args:
        first, second: float[runs], the scores.

    Vargha & Delaney 2000, equation 14.
    """
    m, n = len(first), len(second)
    ranks = rankdata(np.round(np.concatenate([first, second]), 12))
    return float((ranks[:m].sum() / m - (m + 1) / 2) / n)


def add_effects(
    pairs: pd.DataFrame,
    scores: Panel,
    ordered: Panel,
    *,
    resamples: int,
    rng: np.random.Generator,
    level: float = 0.95,
) -> pd.DataFrame:
    """The pairs with `difference`, its interval `low` and `high`, `a12`, `clusters` and `level`.

    Args:
        pairs: the table of `compare_pairs`.
        scores: panel of `score`, for the Hodges–Lehmann difference over problems and its percentile interval under the
            nested bootstrap of `resample`.
        ordered: panel of `ordered`, for A12, computed on each problem and averaged.
        resamples, rng: replicates of the bootstrap, and its random generator.
        level: confidence level of the interval.
    """
    index = {solver: i for i, solver in enumerate(scores.solvers)}
    a = np.array([index[s] for s in pairs["first"]], dtype=int)
    b = np.array([index[s] for s in pairs["second"]], dtype=int)
    table = pairs.copy()
    medians = scores.medians()
    if len(table) == 0 or len(medians) == 0:  # nothing to compare
        return table.assign(difference=np.nan, low=np.nan, high=np.nan, a12=np.nan, clusters=0, level=level)
    table["difference"] = hodges_lehmann(medians[:, a] - medians[:, b])
    draws = [hodges_lehmann(m[:, a] - m[:, b]) for m in resample(scores, resamples=resamples, rng=rng)]
    table["low"], table["high"] = _interval(np.array(draws), level) if scores.varies else (np.nan, np.nan)
    table["a12"] = [_mean_a12(ordered, first, second) for first, second in zip(a, b, strict=True)]
    return table.assign(clusters=scores.cluster_count, level=level)


def score_intervals(scores: Panel, *, resamples: int, rng: np.random.Generator, level: float = 0.95) -> pd.DataFrame:
    """Every solver's median score over problems, with its interval under the nested bootstrap.

    Returns:
        solver, score, low, high, clusters, level.
    """
    medians = scores.medians()
    table = pd.DataFrame({"solver": scores.solvers, "score": np.nan, "low": np.nan, "high": np.nan})
    if len(medians):
        table["score"] = np.median(medians, axis=0)
    if scores.varies:
        draws = [np.median(m, axis=0) for m in resample(scores, resamples=resamples, rng=rng)]
        table["low"], table["high"] = _interval(np.array(draws), level)
    return table.assign(clusters=scores.cluster_count, level=level)


def _interval(draws: NDArray[np.float64], level: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Percentile interval."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def _mean_a12(panel: Panel, first: int, second: int) -> float:
    values = [
        a12(
            panel.scores[p, first, : panel.counts[p, first]],
            panel.scores[p, second, : panel.counts[p, second]],
        )
        for p in range(len(panel.problems))
    ]
    return float(np.mean(values))
