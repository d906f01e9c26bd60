"""How fast a run got there: queries to targets, and the area under its best-so-far curve."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from amb.stats.metrics import Traces

FRACTIONS = tuple(i / 51 for i in range(1, 52))
"""The 51 targets, as shares of the way from where a problem's targets start to its best known value."""

TARGET = 0.75
"""The one target that tables give: nine tenths of the way are out of most runs' reach (docs/statistics.md)."""


def best_so_far(told: NDArray[np.float64], floor: float = np.nan) -> NDArray[np.float64]:
    """Running maximum of told values, float[queries]; `floor` until the first one that is known."""
    known = np.where(np.isnan(told), -np.inf, told)
    best = np.maximum.accumulate(known) if len(known) else known
    return np.where(np.isneginf(best), floor, best)


def ranges(runs: pd.DataFrame, traces: Traces | None = None) -> pd.DataFrame:
    """What every problem's scores and targets are measured by, index problem.

    A problem with reference points (columns `chance` and `best_known` of the runs table) is `anchored`: its targets lie
    between the two, whoever is compared, and stay so while its suite keeps its version. For any other they lie between
    the floor and the highest noise-free activation recommended, or value told, in the runs of these solvers.

    Returns:
        floor (what a failed run scores: 0, the activation of a unit that never fires, or the lowest score on record if
        that is negative), start and best (the two ends of the targets), anchored.
    """
    known = runs[["problem", "final", "best"]].groupby("problem", sort=False)
    lowest = known["final"].min().fillna(0.0).clip(upper=0.0)
    highest = known.max()[["final", "best"]].max(axis=1)
    if traces:
        solvers, best = set(runs["solver"]), highest.to_dict()
        for (problem, solver, _), told in traces.items():
            if problem in best and solver in solvers and len(told):
                best[problem] = np.fmax(best[problem], np.fmax.reduce(told))
        highest = pd.Series(best, dtype=float)
    table = pd.DataFrame({"floor": lowest, "start": lowest, "best": highest.fillna(0.0), "anchored": False})
    if {"chance", "best_known"} <= set(runs.columns):
        points = runs.groupby("problem", sort=False)[["chance", "best_known"]].first()
        known = (points["best_known"] > points["chance"]).reindex(table.index)
        table["anchored"] = known
        table["start"] = table["start"].mask(known, points["chance"])
        table["best"] = table["best"].mask(known, points["best_known"])
    return table


def way(values: pd.Series, problems: pd.Series, bounds: pd.DataFrame) -> pd.Series:
    """How far each value has come on its problem's way from start (0) to best known (1); 0 where there is no way.

    Args:
        values, problems: activations, and the problem of each.
        bounds: of `ranges`.
    """
    start, best = problems.map(bounds["start"]), problems.map(bounds["best"])
    return ((values - start) / (best - start)).where(best > start, 0.0)


SLACK = 1e-11
"""Of the way: what equals a target but for rounding has reached it."""


def first_hits(told: NDArray[np.float64], targets: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Number of queries after which each target was first reached, float[targets]; inf where never."""
    best = best_so_far(told, floor=-np.inf)
    hits = np.searchsorted(best, np.asarray(targets, dtype=np.float64), side="left") + 1.0
    return np.where(hits > len(best), np.inf, hits)


def queries_to(
    runs: pd.DataFrame, traces: Traces, *, fractions: Sequence[float] = FRACTIONS, bounds: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Queries that every run needed for each target.

    Targets lie at `start + fraction * (best - start)` of `ranges`. A miss is censored at the run's budget,
    whatever the reason: `queries` is inf there and `reached` False. A problem without reference points on which nothing
    ever rose above the floor has no targets and no rows.

    Args:
        bounds: of `ranges`; by default those of these runs.

    Returns:
        problem, solver, seed, budget, fraction, target, queries, reached, spent (queries until the target or, where it
        was missed, the budget's end): a row a run and target.
    """
    bounds = ranges(runs, traces) if bounds is None else bounds
    starts, bests = bounds["start"].to_dict(), bounds["best"].to_dict()
    shares = np.asarray(fractions, dtype=np.float64)
    found, targets, hits = [], [], []
    keys = zip(runs["problem"], runs["solver"], runs["seed"], runs["budget"], strict=True)
    for problem, solver, seed, budget in keys:
        start, best = starts[problem], bests[problem]
        if best <= start:
            continue
        # The last target is the best value itself: rounding must not lift it out of reach.
        targets.append(np.minimum(start + shares * (best - start), best))
        told = traces.get((problem, solver, seed), np.empty(0))[: int(budget)]
        hits.append(first_hits(told, targets[-1] - SLACK * (best - start)))
        found.append((problem, solver, seed, budget))
    table = pd.DataFrame(found, columns=["problem", "solver", "seed", "budget"])
    table = table.loc[table.index.repeat(len(shares))].reset_index(drop=True)
    table["fraction"] = np.tile(shares, len(found))
    table["target"] = np.concatenate(targets) if targets else np.empty(0)
    table["queries"] = np.concatenate(hits) if hits else np.empty(0)
    table["reached"] = np.isfinite(table["queries"])
    table["spent"] = np.minimum(table["queries"], table["budget"])
    return table


def anytime_area(told: NDArray[np.float64], budget: int, floor: float = 0.0) -> float:
    """Mean of the best-so-far curve over the logarithm of queries, from 1 to the budget.

    The area under the step curve with ln q as axis, divided by its width ln(budget + 1), so it is an
    activation. A run that ended early keeps its last value up to the budget; before the first known value
    the curve lies at the floor.
    """
    best = best_so_far(told[:budget], floor=floor)
    last = best[-1] if len(best) else floor
    curve = np.concatenate([best, np.full(budget - len(best), last)])
    widths = np.diff(np.log(np.arange(1, budget + 2)))
    return float(curve @ widths / np.log(budget + 1))
