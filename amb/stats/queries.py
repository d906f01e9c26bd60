"""How fast a run finds good stimuli: queries to thresholds, and the area under its best-so-far curve."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from amb.stats.gap import ranges
from amb.stats.metrics import Traces, cells_of

FRACTIONS = tuple(i / 52 for i in range(1, 53))
"""The 52 thresholds of a problem, as shares of the gap from chance to the best known value; three quarters is one."""

THRESHOLD = 0.75
"""The one threshold in tables: most runs are too short to close nine tenths of the gap (docs/notes/statistics.md)."""

SLACK = 1e-11
"""A share of the gap: a value that equals a threshold up to rounding has reached it."""


def best_so_far(values: NDArray[np.float64], floor: float = np.nan) -> NDArray[np.float64]:
    """Running maximum of a run's values, float[queries]; `floor` before the first that is not NaN."""
    best = np.fmax.accumulate(values)
    return best if not len(best) or best[0] > -np.inf else np.where(best > -np.inf, best, floor)


def first_hits(values: NDArray[np.float64], thresholds: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Number of queries after which each threshold was first reached, float[thresholds]; inf if never."""
    best = best_so_far(values, floor=-np.inf)
    hits = np.searchsorted(best, np.asarray(thresholds, dtype=np.float64), side="left") + 1.0
    return np.where(hits > len(best), np.inf, hits)


def queries_to(
    runs: pd.DataFrame, traces: Traces, *, fractions: Sequence[float] = FRACTIONS, bounds: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Queries that every run needed to reach each threshold.

    A threshold is `start + fraction * (best - start)` of `ranges`. A miss is censored at the run's budget, for whatever
    reason it missed: `queries` is inf and `reached` False. A problem whose range is empty (it has no reference points,
    and no run ever rose above the floor) has no thresholds and no rows.

    Args:
        bounds: the table of `ranges`; by default that of these runs.

    Returns:
        problem, solver, seed, budget, fraction, threshold, queries, reached, spent (queries until the threshold was
        reached or, if it was missed, the budget): one row per run and threshold.
    """
    bounds = ranges(runs, traces) if bounds is None else bounds
    starts, bests = bounds["start"].to_dict(), bounds["best"].to_dict()
    shares = np.asarray(fractions, dtype=np.float64)
    # The last threshold is the best value itself: rounding must not put it out of reach.
    levels = {
        problem: np.minimum(start + shares * (bests[problem] - start), bests[problem])
        for problem, start in starts.items()
    }
    reaches = {problem: level - SLACK * (bests[problem] - starts[problem]) for problem, level in levels.items()}
    measured, thresholds, hits = [], [], []
    for cell, budget in zip(cells_of(runs), runs["budget"].tolist(), strict=True):
        problem = cell[0]
        if bests[problem] <= starts[problem]:
            continue
        thresholds.append(levels[problem])
        hits.append(first_hits(traces.get(cell, np.empty(0))[: int(budget)], reaches[problem]))
        measured.append((*cell, budget))
    table = pd.DataFrame(measured, columns=["problem", "solver", "seed", "budget"])
    table = table.loc[table.index.repeat(len(shares))].reset_index(drop=True)
    table["fraction"] = np.tile(shares, len(measured))
    table["threshold"] = np.concatenate(thresholds) if thresholds else np.empty(0)
    table["queries"] = np.concatenate(hits) if hits else np.empty(0)
    table["reached"] = np.isfinite(table["queries"])
    table["spent"] = np.minimum(table["queries"], table["budget"])
    return table


def anytime_area(values: NDArray[np.float64], budget: int, floor: float = 0.0) -> float:
    """Mean of the best-so-far curve over the logarithm of queries, from 1 to the budget.

    The area under the step curve over ln q, divided by the width of that axis, ln(budget + 1), so it is an activation.
    The curve of a run that ended early stays at its last value up to the budget; before the first query that succeeded
    it is at the floor.
    """
    best = best_so_far(values[:budget], floor=floor)
    last = best[-1] if len(best) else floor
    curve = np.concatenate([best, np.full(budget - len(best), last)])
    widths = np.diff(np.log(np.arange(1, budget + 2)))
    return float(curve @ widths / np.log(budget + 1))
