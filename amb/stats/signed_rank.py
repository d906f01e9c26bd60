"""The exact signed-rank test, with zeros and ties."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def signed_rank(differences: NDArray[np.float64]) -> tuple[float, float, int]:
    """Wilcoxon's signed-rank test by exact permutation, two-sided, with Pratt's (1959) treatment of zeros.

    Zeros are ranked with the other differences, then their ranks are dropped. The null distribution of the sum of
    positive ranks, in which both signs of a difference are equally likely, is computed exactly by the shift algorithm
    (Streitberg & Röhmel 1986). The p-value is that of ``scipy.stats.wilcoxon(d, zero_method="pratt",
    method=PermutationMethod(...))``, which enumerates up to 13 differences and only estimates the p-value of more.

    Args:
        differences: float[n]; rounded to 12 decimals, so that rounding errors break no ties.

    Returns:
        (p, balance, informative): the p-value; the sum of the positive ranks minus that of the negative ones, divided
        by their total (the matched-pairs rank-biserial correlation, Kerby 2014); and the number of differences that are
        not zero. If there are none, p is 1 and the balance 0.
    """
    rounded = np.round(np.asarray(differences, dtype=np.float64), 12)
    ranks = rankdata(np.abs(rounded))
    signs = np.sign(rounded)
    informative = int(np.count_nonzero(signs))
    if informative == 0:
        return 1.0, 0.0, 0
    doubled = np.rint(2 * ranks[signs != 0]).astype(int)
    positive = int(doubled[signs[signs != 0] > 0].sum())
    chances = _null(tuple(sorted(doubled.tolist())))
    tail = min(chances[: positive + 1].sum(), chances[positive:].sum())
    balance = 2 * positive / doubled.sum() - 1
    return float(min(1.0, 2 * tail)), float(balance), informative


def signed_rank_interval(differences: NDArray[np.float64], *, level: float = 0.95) -> tuple[float, float]:
    """The interval of the Hodges–Lehmann estimate that belongs to the test: the shifts that it does not reject.

    Its ends are order statistics of the Walsh averages (Hollander & Wolfe 1999, section 3.3), so for differences that
    are symmetric around their pseudo-median it covers that with probability at least `level`, exactly, for any number
    of them.

    Args:
        differences: float[n].
        level: confidence level.

    Returns:
        (low, high); NaN for both if there are too few differences for an interval of this level.
    """
    n = len(differences)
    chances = np.cumsum(_null(tuple(range(2, 2 * n + 1, 2))))[::2] if n else np.ones(1)
    rejected = int(np.searchsorted(chances, (1 - level) / 2, side="right"))  # sums of ranks in the lower tail
    if rejected == 0:
        return np.nan, np.nan
    i, j = np.triu_indices(n)
    walsh = np.sort((differences[i] + differences[j]) / 2)
    return float(walsh[rejected - 1]), float(walsh[-rejected])


def smallest_p(informative: int) -> float:
    """The smallest two-sided p-value that this number of non-zero differences can give."""
    return min(1.0, 2.0 ** (1 - informative))


@lru_cache(maxsize=4096)
def least_rank_sum(n: int, alpha: float) -> int:
    """The least sum of positive ranks, the larger of the two, at which the test of n differences has p <= alpha.

    For differences without zeros and ties. One more than the largest sum if no outcome is enough.
    """
    chances = _null(tuple(range(1, n + 1)))  # ranks are whole numbers, so they need not be doubled
    tails = np.cumsum(chances[::-1])[::-1]
    return int(np.count_nonzero(2 * tails > alpha))


@lru_cache(maxsize=4096)
def _null(doubled: tuple[int, ...]) -> NDArray[np.float64]:
    """Probability of each sum of a random subset of these integers, float[total + 1]."""
    chances = np.zeros(sum(doubled) + 1)
    chances[0] = 1.0
    for rank in doubled:
        shifted = np.zeros_like(chances)
        shifted[rank:] = chances[: len(chances) - rank]
        chances = (chances + shifted) / 2
    return chances
