"""The exact signed-rank test, with zeros and ties."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def signed_rank(differences: NDArray[np.float64]) -> tuple[float, float, int]:
    """Wilcoxon's signed-rank test by exact permutation, two-sided, zeros as Pratt (1959) treats them.

    Zeros are ranked with the rest, then their ranks are dropped. The null distribution of the sum of
    positive ranks, every sign being a fair coin, is counted exactly by the shift algorithm (Streitberg &
    Röhmel 1986). So the p-value is the one that ``scipy.stats.wilcoxon(d, zero_method="pratt",
    method=PermutationMethod(...))`` finds by enumeration up to 13 differences and only estimates beyond.

    Args:
        differences: float[n]; equal up to 1e-12 counts as equal, so that rounding does not break ties.

    Returns:
        (p, balance, informative): the p-value; the sum of the positive ranks less that of the negative ones,
        divided by their total (the matched-pairs rank-biserial correlation, Kerby 2014); and how many
        differences are not zero. With none, p is 1 and the balance 0.
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


def smallest_p(informative: int) -> float:
    """The smallest two-sided p-value that so many non-zero differences can give."""
    return min(1.0, 2.0 ** (1 - informative))


@lru_cache(maxsize=4096)
def _null(doubled: tuple[int, ...]) -> NDArray[np.float64]:
    """Probability of each sum of a random subset of these integers, float[sum + 1]."""
    chances = np.zeros(sum(doubled) + 1)
    chances[0] = 1.0
    for rank in doubled:
        shifted = np.zeros_like(chances)
        shifted[rank:] = chances[: len(chances) - rank]
        chances = (chances + shifted) / 2
    return chances
