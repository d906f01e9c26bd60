"""What searches of neurons that are recorded together save by sharing presentations, against separate searches."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t

from amb.stats.effects import hodges_lehmann
from amb.stats.metrics import Traces
from amb.stats.queries import queries_to
from amb.stats.signed_rank import signed_rank_interval

SEPARATE = "separate"
FRACTIONS = (0.75, 0.9)
"""Shares of the gap between chance and the best known value whose cost is compared."""
GAINS = ("solver", "searches", "closed", "gain", "low", "high", "neurons")
SAVINGS = ("solver", "searches", "fraction", "presentations", "reached", "saving", "low", "high", "neurons")


def as_presentations(values: NDArray[np.float64], neurons: int) -> NDArray[np.float64]:
    """A separate search's values by presentation, float[queries] -> float[queries * neurons].

    Searches that take turns on `neurons` neurons have presented that many stimuli when each has one more value.
    """
    spread = np.full((len(values), neurons), np.nan)
    spread[:, -1] = values
    return spread.ravel()


def gains(runs: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """How much more of the gap searches close with as many presentations.

    Args:
        runs: solver, searches (how: `SEPARATE` and others), problem, seed, normalized, failed, chance, best_known: one
            row per neuron and seed. A failed run counts as chance, as in a ranking.
        level: of the intervals.

    Returns:
        A row per solver and way: `closed`, the mean over neurons of the medians over seeds; `gain` over separate
        searches, the Hodges-Lehmann estimate over neurons with the interval of the signed-rank test, NaN for fewer than
        six neurons and for the separate searches themselves; `neurons`, the number of those that have reference points,
        over which all of these are.
    """
    rows = []
    failed = runs["failed"].astype(bool) & (runs["best_known"] > runs["chance"])
    runs = runs.assign(normalized=runs["normalized"].mask(failed, 0.0))
    for solver, part in runs.groupby("solver", sort=False):
        medians = part.groupby(["problem", "searches"], sort=False)["normalized"].median().unstack("searches")
        for way in part["searches"].unique():
            found: tuple[float, float, float] = (np.nan,) * 3
            pairs = medians[[SEPARATE, way]].dropna() if way != SEPARATE else medians[[]]
            if way != SEPARATE and len(pairs):
                differences = (pairs[way] - pairs[SEPARATE]).to_numpy()
                found = (float(hodges_lehmann(differences)), *signed_rank_interval(differences, level=level))
            rows.append((solver, way, float(medians[way].mean()), *found, int(medians[way].notna().sum())))
    return pd.DataFrame(rows, columns=list(GAINS))


def savings(
    runs: pd.DataFrame, traces: Mapping[str, Traces], *, fractions: Sequence[float] = FRACTIONS, level: float = 0.95
) -> pd.DataFrame:
    """How many presentations sharing saves.

    Args:
        runs: the table of `gains`, with the columns that `queries_to` needs; budgets are in presentations.
        traces: by way, the noise-free values of every (problem, solver, seed) by presentation.
        fractions: thresholds, as shares of the gap.
        level: of the intervals.

    Returns:
        A row per solver, way and fraction: `presentations`, the expected runtime (all presentations until the threshold
        was reached or the budget spent, divided by the neurons and seeds that reached it; infinite if none did);
        `reached`, their share; `saving`, the runtime of separate searches divided by this one, with its interval over
        neurons; NaN where either never reached it.
    """
    hits = pd.concat(
        [
            queries_to(part.drop(columns="searches"), traces[str(way)], fractions=fractions).assign(searches=way)
            for way, part in runs.groupby("searches", sort=False)
        ]
    )
    hits = hits[hits["problem"].isin(runs.loc[runs["best_known"] > runs["chance"], "problem"])]
    rows = []
    for (solver, fraction), part in hits.groupby(["solver", "fraction"], sort=False):
        cells = part.groupby(["searches", "problem"], sort=False).agg(
            spent=("spent", "sum"), reached=("reached", "sum"), runs=("reached", "size")
        )
        separate = cells.loc[SEPARATE]
        for way in part["searches"].unique():
            here = cells.loc[way]
            count, reached = float(here["reached"].sum()), float(here["reached"].sum() / here["runs"].sum())
            cost = float(here["spent"].sum()) / count if count else np.inf
            against = here.reindex(separate.index)
            columns = [frame[name].to_numpy(float) for frame in (separate, against) for name in ("spent", "reached")]
            found = (np.nan,) * 3 if way == SEPARATE else paired_ratio(*columns, level=level)
            rows.append((solver, way, fraction, cost, reached, *found, len(here)))
    return pd.DataFrame(rows, columns=list(SAVINGS)).sort_values(
        ["solver", "fraction"], key=_in_order, kind="stable", ignore_index=True
    )


def paired_ratio(
    spent: NDArray[np.float64],
    reached: NDArray[np.float64],
    other_spent: NDArray[np.float64],
    other_reached: NDArray[np.float64],
    *,
    level: float = 0.95,
) -> tuple[float, float, float]:
    """The ratio of two expected runtimes on the same problems, first by second, and its interval.

    On the logarithmic scale, with the delete-one jackknife over problems and Student's t (Miller 1974, Biometrika
    61:1-15). Problems are left out for both at once, so that what makes a problem hard for both does not widen the
    interval. It covers 93 to 94% of simulated studies of 12 problems whose costs are log-normal, linearization 91 to
    94%. NaN if one of them reached nothing; unbounded if only a single problem did.

    Args:
        spent, reached: of the first, float[problems]; other_spent, other_reached: of the second.
        level: of the interval.
    """
    columns = np.array([spent, reached, other_spent, other_reached], dtype=np.float64)
    totals = columns.sum(axis=1)
    if totals.min() <= 0:
        return (np.nan,) * 3
    ratio = float(totals[0] / totals[1] / (totals[2] / totals[3]))
    n = len(spent)
    if n < 2:
        return ratio, np.nan, np.nan
    left = totals[:, None] - columns
    if left.min() <= 0:
        return ratio, 0.0, np.inf
    logs = np.log(left[0] / left[1] / (left[2] / left[3]))
    half = float(t.ppf((1 + level) / 2, n - 1) * np.sqrt((n - 1) / n * ((logs - logs.mean()) ** 2).sum()))
    return ratio, float(ratio * np.exp(-half)), float(ratio * np.exp(half))


def _in_order(column: pd.Series) -> pd.Series:
    """Texts in the order in which they appear, numbers as they are."""
    return column if column.dtype.kind == "f" else pd.Series(pd.factorize(column)[0], column.index)
