"""Trials saved: how many queries a solver needs for a threshold, as a share of what the best of the ranking needs."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from amb.stats.classes import competing
from amb.stats.effects import hodges_lehmann
from amb.stats.equal import equal_seeds
from amb.stats.gap import ranges
from amb.stats.metrics import Traces
from amb.stats.pairs import holm
from amb.stats.queries import queries_to
from amb.stats.signed_rank import signed_rank, signed_rank_interval

SHARES = (0.75, 0.9)
"""The thresholds, as shares of the gap from chance to the best known value."""

HALF = float(np.log(0.5))


def trials_needed(
    runs: pd.DataFrame, traces: Traces, base: str, *, fractions: Sequence[float] = SHARES, level: float = 0.95
) -> pd.DataFrame:
    """Queries of every solver to a threshold, divided by those of `base`, problem by problem and network by network.

    On a problem, queries are the expected runtime (`expected_runtimes`). A problem counts if a run of either solver
    reached the threshold. Where no run of one of them did, it is counted as if one had with its last query: its true
    runtime is longer, so the ratio is closer to 1 than the truth. The ratio over problems is the Hodges-Lehmann
    estimate of the logarithms; its interval and p belong to Wilcoxon's exact signed-rank test. Networks are tested by
    their problems' median ratios. p is corrected over the solvers of one threshold (Holm 1979).

    Only problems and as many seeds are compared as both have.

    Args:
        runs: one row per run, of any classes of solvers; the leading one sets the thresholds, as in the ranking.
        traces: the values of each run in query order, by (problem, solver, seed).
        base: the solver that the others are compared with, usually the first of the ranking.
        fractions: thresholds, as shares of the gap from chance to the best known value.
        level: confidence level of the intervals.

    Returns:
        One row per solver and threshold: solver, base, fraction; problems (that count); reached, reached_base (share of
        these on which any run got there); ratio, low, high; p_holm (is the ratio 1?) and p_half (is it a half?), both
        over problems; networks, fewer_on (networks on which the solver needs fewer), network_ratio, network_low,
        network_high, p_networks. Empty if no problem has thresholds.
    """
    bounds = ranges(competing(runs), traces)  # the thresholds of the ranking, which no other class moves
    runs = runs[runs["problem"].isin(bounds.index)]
    hits = queries_to(runs, traces, fractions=fractions, bounds=bounds)
    rows = []
    for solver in runs["solver"].unique():
        if solver == base:
            continue
        pair = _shared(runs[runs["solver"].isin([solver, base])])
        if pair.empty:
            continue
        targets = pair.drop_duplicates("problem").set_index("problem")["target"]
        for fraction, part in hits.merge(pair[["problem", "solver", "seed"]]).groupby("fraction"):
            row = _compare(part, targets, str(solver), base, level)
            rows.append({"solver": solver, "base": base, "fraction": float(str(fraction)), **row})
    table = pd.DataFrame(rows)
    for name in ("p_holm", "p_half", "p_networks") if len(table) else ():
        table[name] = table.groupby("fraction")[name].transform(lambda p: holm(p.to_numpy(dtype=float)))
    return table


def _shared(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of two solvers on the problems that both have, with equal numbers of seeds."""
    both = runs.groupby("problem")["solver"].transform("nunique") == 2
    return equal_seeds(runs[both]) if both.any() else runs[both]


def _compare(hits: pd.DataFrame, targets: pd.Series, solver: str, base: str, level: float) -> dict[str, float]:
    """One solver against the base at one threshold."""
    cells = hits.groupby(["problem", "solver"], sort=False).agg(spent=("spent", "sum"), reached=("reached", "sum"))
    spent, reached = cells["spent"].unstack("solver"), cells["reached"].unstack("solver")
    counted = (reached[[solver, base]] > 0).any(axis=1)
    spent, reached = spent[counted], reached[counted]
    costs = spent / reached.clip(lower=1)
    logs = np.log(costs[solver] / costs[base])
    ratio, low, high, p, p_half = _estimate(logs.to_numpy(dtype=np.float64), level)
    # Rounded, as for the tests: a ratio of 1 is neither fewer nor more queries.
    networks = np.round(logs.groupby(targets.reindex(logs.index)).median().to_numpy(dtype=np.float64), 12)
    across = _estimate(networks, level)
    return {
        "problems": int(counted.sum()),
        "reached": float((reached[solver] > 0).mean()),
        "reached_base": float((reached[base] > 0).mean()),
        "ratio": ratio,
        "low": low,
        "high": high,
        "p_holm": p,
        "p_half": p_half,
        "networks": len(networks),
        "fewer_on": int((networks < 0).sum()),
        "network_ratio": across[0],
        "network_low": across[1],
        "network_high": across[2],
        "p_networks": across[3],
    }


def _estimate(logs: NDArray[np.float64], level: float) -> tuple[float, float, float, float, float]:
    """Hodges-Lehmann estimate of a ratio from its logarithms, its interval, and p against 1 and against a half."""
    if not len(logs):
        return np.nan, np.nan, np.nan, 1.0, 1.0
    centre = float(hodges_lehmann(logs))
    low, high = signed_rank_interval(logs, level=level)
    one, half = signed_rank(logs)[0], signed_rank(logs - HALF)[0]
    return float(np.exp(centre)), float(np.exp(low)), float(np.exp(high)), one, half
