"""Bootstrap intervals of means, differences and ratios over units."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

RESAMPLES = 2000
FEWEST = 5
"""Fewer values than this have no interval: a bootstrap of so few claims more than they show."""


def interval(
    values: FloatArray, *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean, float64[n] (Efron and Tibshirani 1993, chapter 13); NaN for few."""
    return ratio_interval(values, np.ones(len(values)), confidence=confidence, resamples=resamples, seed=seed)


def ratio_interval(
    above: FloatArray, below: FloatArray, *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """The same of a ratio of means of pairs, float64[n] each; pairs are drawn together."""
    if len(above) < FEWEST:
        return np.nan, np.nan
    rows = np.random.default_rng(seed).integers(0, len(above), (resamples, len(above)))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = above[rows].mean(axis=1) / below[rows].mean(axis=1)
    return _ends(ratios, confidence)


def ratio_of_groups(
    above: FloatArray, below: FloatArray, *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float, float]:
    """The ratio of the means of two independent groups, float64[n] and float64[m], and its bootstrap interval."""
    if not len(above) or not len(below):
        return np.nan, np.nan, np.nan
    if min(len(above), len(below)) < FEWEST:
        return float(above.mean() / below.mean()) if below.mean() else np.nan, np.nan, np.nan
    tops, bottoms = _resampled_means(above, below, resamples, seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = tops / bottoms
    return float(above.mean() / below.mean()), *_ends(ratios, confidence)


def difference_of_groups(
    first: FloatArray, second: FloatArray, *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float, float]:
    """The difference of the means of two independent groups, float64[n] and float64[m], and its bootstrap interval."""
    if not len(first) or not len(second):
        return np.nan, np.nan, np.nan
    difference = float(first.mean() - second.mean())
    if min(len(first), len(second)) < FEWEST or np.isnan(difference):
        return difference, np.nan, np.nan
    one, two = _resampled_means(first, second, resamples, seed)
    return difference, *_ends(one - two, confidence)


def _resampled_means(first: FloatArray, second: FloatArray, resamples: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Means of two groups, each resampled by itself, float64[resamples] each."""
    rng = np.random.default_rng(seed)
    one, two = (group[rng.integers(0, len(group), (resamples, len(group)))].mean(axis=1) for group in (first, second))
    return one, two


def _ends(drawn: FloatArray, confidence: float) -> tuple[float, float]:
    """The percentile interval of resampled statistics; ratios without a value, 0 / 0, are left out."""
    tail = 100 * (1 - confidence) / 2
    low, high = np.nanpercentile(drawn, [tail, 100 - tail])
    return float(low), float(high)
