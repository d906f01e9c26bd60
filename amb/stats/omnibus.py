"""Step 3a: do the solvers differ at all?"""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats


def omnibus(blocks: pd.DataFrame) -> pd.DataFrame:
    """Friedman's test with the correction of Iman & Davenport (1980), over problems.

    It is for information only: the family-wise error is controlled by Holm's correction of the pairs alone.

    Args:
        blocks: problem × solver, higher is better.

    Returns:
        One row: problems, solvers, chi2 (corrected for ties), f, df1, df2, p, method, note. If all solvers tie, p is 1.
        If all problems rank the solvers alike, F is infinite, and p is the probability that all other problems rank
        them as the first does: one over the number of distinct orders, k! without ties, to the power n-1.
    """
    n, k = blocks.shape
    row: dict[str, object] = {"problems": n, "solvers": k, "chi2": np.nan, "f": np.nan}
    row |= {"df1": k - 1, "df2": (k - 1) * (n - 1), "p": np.nan}
    row |= {"method": "Friedman, Iman–Davenport", "note": ""}
    values = np.round(blocks.to_numpy(dtype=float), 12)
    if k < 3:
        row |= {"note": "fewer than three solvers: the test of the pair answers"}
    elif n < 2:
        row |= {"note": "fewer than two problems: nothing can be tested"}
    elif (values == values[:, :1]).all():
        row |= {"chi2": 0.0, "f": 0.0, "p": 1.0, "note": "all solvers tie on every problem"}
    else:
        chi2 = float(stats.friedmanchisquare(*values.T).statistic)
        row["chi2"] = chi2
        rest = n * (k - 1) - chi2
        if rest <= 1e-9 * n * k:
            row |= {"f": np.inf, "p": _orders(values[0]) ** (1 - n), "note": "all problems agree"}
        else:
            f = (n - 1) * chi2 / rest
            row |= {"f": f, "p": float(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))}
    return pd.DataFrame([row])


def _orders(values: NDArray[np.float64]) -> float:
    """Number of distinct ways to assign a problem's ranks, ties included, to the solvers."""
    _, tied = np.unique(values, return_counts=True)
    return math.factorial(len(values)) / math.prod(math.factorial(count) for count in tied)


def mean_ranks(blocks: pd.DataFrame) -> pd.Series:
    """Mean rank of each solver over problems, 1 being the best; ties share the mean of their ranks."""
    ranks = blocks.round(12).rank(axis=1, ascending=False, method="average")
    return ranks.mean(axis=0)
