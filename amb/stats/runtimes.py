"""Expected runtimes: how many queries a threshold costs if runs are restarted until one reaches it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from amb.stats.metrics import Traces
from amb.stats.queries import FRACTIONS, queries_to

METHOD = "ERT (Hansen et al. 2021): queries of all runs / runs that reached the threshold"


def expected_runtimes(runs: pd.DataFrame, traces: Traces, *, fractions: Sequence[float] = FRACTIONS) -> pd.DataFrame:
    """Expected runtime of every solver to every threshold of every problem.

    ERT is the number of queries that all runs spent until they reached the threshold or, if they missed it, their
    budget, divided by the number of runs that reached it: the expected cost of restarting until a run reaches it (Auger
    & Hansen 2005). It is infinite if no run reached it. A failed run spends its whole budget.

    Returns:
        problem, solver, fraction, threshold, ert, reached, runs: one row per problem, solver and threshold.
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


def solved_problems(hits: pd.DataFrame) -> pd.DataFrame:
    """Expected runtime on every problem that has thresholds, problem × solver; inf where no run reached the threshold.

    Args:
        hits: the table of `queries_to` for one fraction.
    """
    cells = hits.groupby(["problem", "solver"], sort=False).agg(spent=("spent", "sum"), reached=("reached", "sum"))
    runtimes = (cells["spent"] / cells["reached"].where(cells["reached"] > 0)).fillna(np.inf)
    return runtimes.unstack("solver") if len(cells) else pd.DataFrame()


def add_costs(pairs: pd.DataFrame, hits: pd.DataFrame) -> pd.DataFrame:
    """The pairs with what the threshold costs each of the two, problem by problem.

    Pooled runtimes hide that one method solves other problems than another: here only problems are compared that both
    solve.

    Args:
        pairs: the table of `compare_pairs`.
        hits: the table of `queries_to` for one fraction, on the compared problems.

    Returns:
        The pairs with `solvable` (problems that have thresholds), `solved_first` and `solved_second` (problems on which
        any run reached it), `solved_both`, and `queries_first` and `queries_second` (medians of the expected runtimes
        over problems solved by both; NaN if there are none).
    """
    runtimes = solved_problems(hits)
    rows = []
    for first, second in zip(pairs["first"], pairs["second"], strict=True):
        a, b = (runtimes[s].to_numpy(float) if s in runtimes else np.empty(0) for s in (first, second))
        both = np.isfinite(a) & np.isfinite(b)
        medians = (float(np.median(x[both])) if both.any() else np.nan for x in (a, b))
        rows.append((len(a), int(np.isfinite(a).sum()), int(np.isfinite(b).sum()), int(both.sum()), *medians))
    names = ["solvable", "solved_first", "solved_second", "solved_both", "queries_first", "queries_second"]
    return pd.concat([pairs, pd.DataFrame(rows, columns=names, index=pairs.index)], axis=1)


def pooled_runtimes(
    runs: pd.DataFrame,
    traces: Traces,
    *,
    fractions: Sequence[float] = FRACTIONS,
    resamples: int = 500,
    level: float = 0.95,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Expected runtime of every solver to each threshold over all problems, with its bootstrap interval.

    The runs of all problems are pooled: the queries that they spent until they closed a fraction of the gap between
    chance and the best known value, divided by the number of runs that did. Unlike a mean of ERTs this is finite as
    soon as one run reaches the threshold. The bootstrap draws problems with all their runs (runs, if there is only one
    problem). The upper end of an interval is infinite if no run reached the threshold in too many replicates.

    Returns:
        solver, fraction, ert, low, high, reached (share of runs), problems, method: one row per solver and fraction;
        empty if no problem has thresholds.
    """
    hits = queries_to(runs, traces, fractions=fractions)
    parts = []
    for solver, part in hits.groupby("solver", sort=False):
        spent, reached, problems = _by_problem(part, len(fractions))
        draws = _replicates(spent, reached, resamples, rng)
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
    part: pd.DataFrame, thresholds: int
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]], list[str]]:
    """One solver's spent queries and successes, float[runs, thresholds] for each problem."""
    spent, reached, problems = [], [], []
    for problem, group in part.groupby("problem", sort=False):
        spent.append(group["spent"].to_numpy(dtype=float).reshape(-1, thresholds))
        reached.append(group["reached"].to_numpy(dtype=float).reshape(-1, thresholds))
        problems.append(str(problem))
    return spent, reached, problems


def _replicates(
    spent: list[NDArray[np.float64]], reached: list[NDArray[np.float64]], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Bootstrap replicates of the pooled ERT, float[resamples, thresholds]."""
    if len(spent) > 1:
        sums = np.array([np.concatenate([s.sum(axis=0), r.sum(axis=0)]) for s, r in zip(spent, reached, strict=True)])
    else:
        sums = np.hstack([spent[0], reached[0]])
    draws = np.empty((resamples, spent[0].shape[1]))
    for draw in draws:
        picked = np.bincount(rng.integers(len(sums), size=len(sums)), minlength=len(sums))
        draw[:] = _ratio(*np.split(picked @ sums, 2))
    return draws


def _ratio(queries: NDArray[np.float64], successes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(queries, successes, out=np.full(len(queries), np.inf), where=successes > 0)
