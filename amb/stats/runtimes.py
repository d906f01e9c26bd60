"""Expected runtimes: how many queries a target costs when a run that misses is started anew."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from amb.stats.metrics import Traces
from amb.stats.queries import FRACTIONS, queries_to

METHOD = "ERT (Hansen et al. 2021): queries of all runs / runs that reached the target"


def expected_runtimes(runs: pd.DataFrame, traces: Traces, *, fractions: Sequence[float] = FRACTIONS) -> pd.DataFrame:
    """Expected runtime of every solver to every target of every problem.

    ERT = queries spent by all runs until the target or, where it was missed, the budget's end, over the number
    of runs that reached it: the expectation for restarting until one does (Auger & Hansen 2005). Infinite where
    no run reached it. A failed run spends its whole budget.

    Returns:
        problem, solver, fraction, target, ert, reached, runs: a row a problem, solver and target.
    """
    hits = queries_to(runs, traces, fractions=fractions)
    groups = hits.groupby(["problem", "solver", "fraction"], sort=False)
    table = groups.agg(
        threshold=("threshold", "first"), spent=("spent", "sum"), reached=("reached", "sum"), runs=("reached", "size")
    ).reset_index()
    with np.errstate(divide="ignore"):
        table["ert"] = table.pop("spent") / table["reached"].replace(0, np.nan)
    table["ert"] = table["ert"].fillna(np.inf)
    return table[["problem", "solver", "fraction", "threshold", "ert", "reached", "runs"]]


def pooled_runtimes(
    runs: pd.DataFrame,
    traces: Traces,
    *,
    fractions: Sequence[float] = FRACTIONS,
    resamples: int = 500,
    level: float = 0.95,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Expected runtime of every solver to targets, over all problems, with a nested bootstrap's interval.

    The runs of all problems are pooled: queries that they spent on a target of so many per cent of the way to
    the best known value, over the runs that reached it. Unlike a mean of ERTs this stays finite while any run
    reaches the target. The interval's replicates draw (generator, target) pairs, then problems, then runs; an
    upper end is infinite where in so many replicates nobody reached the target.

    Returns:
        solver, fraction, ert, low, high, reached (share of runs), problems, method: a row a solver and target;
        empty if no problem has targets.
    """
    hits = queries_to(runs, traces, fractions=fractions)
    homes = runs.drop_duplicates("problem").set_index("problem")[["generator", "target"]]
    parts = []
    for solver, part in hits.groupby("solver", sort=False):
        spent, reached, problems = _by_problem(part, len(fractions))
        clusters = homes.loc[problems].groupby(["generator", "target"], sort=False).ngroup().to_numpy()
        draws = _replicates(spent, reached, clusters, resamples, rng)
        low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0, method="inverted_cdf")
        count = sum(len(r) for r in reached)
        total = np.sum([r.sum(axis=0) for r in reached], axis=0)
        content = {
            "solver": solver,
            "fraction": fractions,
            "ert": _ratio(np.sum([s.sum(axis=0) for s in spent], axis=0), total),
            "low": low,
            "high": high,
            "reached": total / count,
        }
        parts.append(pd.DataFrame({**content, "problems": len(problems), "method": METHOD}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _by_problem(
    part: pd.DataFrame, targets: int
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]], list[str]]:
    """One solver's spent queries and successes, float[runs, targets] for each problem."""
    spent, reached, problems = [], [], []
    for problem, group in part.groupby("problem", sort=False):
        spent.append(group["spent"].to_numpy(dtype=float).reshape(-1, targets))
        reached.append(group["reached"].to_numpy(dtype=float).reshape(-1, targets))
        problems.append(str(problem))
    return spent, reached, problems


def _replicates(
    spent: list[NDArray[np.float64]],
    reached: list[NDArray[np.float64]],
    clusters: NDArray[np.int64],
    resamples: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Bootstrap replicates of the pooled ERT, float[resamples, targets]."""
    members = [np.flatnonzero(clusters == c) for c in np.unique(clusters)]
    sizes = np.array([len(runs) for runs in spent])
    starts = np.cumsum(sizes) - sizes
    sums = np.hstack([np.concatenate(spent), np.concatenate(reached)])
    draws = np.empty((resamples, spent[0].shape[1]))
    for draw in draws:
        pairs = rng.integers(len(members), size=len(members))
        problems = np.concatenate([rng.choice(members[c], size=len(members[c])) for c in pairs])
        runs = np.repeat(starts[problems], sizes[problems]) + rng.integers(np.repeat(sizes[problems], sizes[problems]))
        queries, successes = np.split(np.bincount(runs, minlength=len(sums)) @ sums, 2)
        draw[:] = _ratio(queries, successes)
    return draws


def _ratio(queries: NDArray[np.float64], successes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(queries, successes, out=np.full(len(queries), np.inf), where=successes > 0)
