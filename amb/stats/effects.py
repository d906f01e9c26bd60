"""Step 4: how large are the differences, and how certain?"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binom, rankdata

from amb.stats.levels import Levels
from amb.stats.panel import Panel
from amb.stats.question import Question
from amb.stats.signed_rank import signed_rank_interval


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
    problems: pd.DataFrame,
    question: Question,
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """The pairs with `difference`, its interval `low` and `high`, `a12` and `level`.

    Args:
        pairs: the table of `compare_pairs`.
        scores: panel of `score`, for the Hodges–Lehmann difference and the exact interval that belongs to the test.
        ordered: panel of `ordered`, for A12, computed on each problem and averaged.
        problems: generator, target and layer of each problem.
        question: its level says whether problems, layers or networks are tested.
        level: confidence level of the interval.
    """
    index = {solver: i for i, solver in enumerate(scores.solvers)}
    table = pairs.copy()
    medians = scores.medians()
    if len(table) == 0 or len(medians) == 0:  # nothing to compare
        return table.assign(difference=np.nan, low=np.nan, high=np.nan, a12=np.nan, level=level)
    levels = Levels(problems.loc[list(scores.problems)])
    wins = _Wins(ordered)
    rows = []
    for first, second in zip(pairs["first"], pairs["second"], strict=True):
        a, b = index[first], index[second]
        differences = levels.exchangeable(medians[:, a] - medians[:, b], question.level)
        rows.append((hodges_lehmann(differences), *signed_rank_interval(differences, level=level), wins.a12(a, b)))
    return table.assign(**dict(zip(("difference", "low", "high", "a12"), np.array(rows).T, strict=True)), level=level)


def score_intervals(scores: Panel, *, level: float = 0.95) -> pd.DataFrame:
    """Every solver's median score over problems, with its interval.

    Returns:
        solver, score, low, high, level.
    """
    medians = scores.medians()
    rows = [
        (solver, np.median(medians[:, i]) if len(medians) else np.nan, *median_interval(medians[:, i], level=level))
        for i, solver in enumerate(scores.solvers)
    ]
    return pd.DataFrame(rows, columns=["solver", "score", "low", "high"]).assign(level=level)


def median_interval(values: NDArray[np.float64], *, level: float = 0.95) -> tuple[float, float]:
    """An interval of the median, for any continuous distribution: order statistics, interpolated.

    The two nearest exact intervals are interpolated (Hettmansperger & Sheather 1986), since the exact ones of 7 to 12
    values cover up to 99%.

    Args:
        values: float[n].
        level: confidence level.

    Returns:
        (low, high); NaN for both if there are too few values for an interval of this level.
    """
    n, ranked = len(values), np.sort(values)
    confidence = 1 - 2 * binom.cdf(np.arange(n // 2 + 1) - 1, n, 0.5)  # of the interval from the k-th to the last k-th
    depth = int(np.count_nonzero(confidence >= level)) - 1
    if depth < 1:
        return np.nan, np.nan
    below = confidence[depth + 1] if depth + 1 < len(confidence) else 0.0
    share = (confidence[depth] - level) / (confidence[depth] - below)
    weight = (n - depth) * share / (depth + (n - 2 * depth) * share)
    low = (1 - weight) * ranked[depth - 1] + weight * ranked[depth]
    high = (1 - weight) * ranked[n - depth] + weight * ranked[n - depth - 1]
    return float(low), float(high)


class _Wins:
    """A12 of any two solvers, averaged over problems; scores are rounded and sorted once."""

    def __init__(self, panel: Panel) -> None:
        self._scores = np.round(panel.scores, 12)

    def a12(self, first: int, second: int) -> float:
        """Probability that a run of the first is better on the same problem."""
        x, y = self._scores[:, first, :, None], self._scores[:, second, None, :]
        known = ~np.isnan(x) & ~np.isnan(y)
        wins = ((x > y) + 0.5 * (x == y)) * known
        return float((wins.sum(axis=(1, 2)) / known.sum(axis=(1, 2))).mean())
