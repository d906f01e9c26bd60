"""The gap between chance and the best known value, the scale of a problem's scores and thresholds."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from amb.stats.metrics import Traces


def gap_closed(values: ArrayLike, chance: ArrayLike, best: ArrayLike) -> Any:
    """The share of the gap between chance and the best known value that each value closes.

    Args:
        values, chance, best: activations; numbers, or arrays that broadcast.

    Returns:
        float[...]: 0 at chance, 1 at the best known value, outside [0, 1] beyond them; NaN if there is no gap
        (best <= chance) or an activation is unknown.
    """
    gap = np.subtract(best, chance)
    return np.subtract(values, chance) / np.where(gap > 0, gap, np.nan)


def gap_closed_on(values: pd.Series, problems: pd.Series, bounds: pd.DataFrame) -> pd.Series:
    """`gap_closed` of each value on its problem; 0 on a problem without a gap.

    Args:
        values, problems: activations, and the problem of each.
        bounds: the table of `ranges`.
    """
    start, best = problems.map(bounds["start"]), problems.map(bounds["best"])
    return pd.Series(gap_closed(values, start, best), values.index).where(best > start, 0.0)


def anchored_problems(runs: pd.DataFrame) -> pd.Series:
    """Whether each problem has reference points with a gap between them, index problem."""
    if not {"chance", "best_known"} <= set(runs.columns):
        return pd.Series(False, index=pd.Index(runs["problem"].unique(), name="problem"))
    points = runs.groupby("problem", sort=False)[["chance", "best_known"]].first()
    return points["best_known"] > points["chance"]


def ranges(runs: pd.DataFrame, traces: Traces | None = None) -> pd.DataFrame:
    """The range of activations that scales each problem's scores and thresholds.

    A problem with reference points (columns `chance` and `best_known` of the runs table) is `anchored`: its range goes
    from chance to the best known value, whichever solvers are compared, and is fixed for a version of its suite. For
    any other problem it goes from the floor to the highest activation in these solvers' runs: a noise-free final value
    or the value of a query.

    Returns:
        Index problem; floor (the score of a failed run: 0, the activation of a unit that never fires, or the lowest
        final value if that is negative), start and best (the ends of the range), anchored.
    """
    known = runs[["problem", "final", "best"]].groupby("problem", sort=False)
    lowest = known["final"].min().fillna(0.0).clip(upper=0.0)
    highest = known.max()[["final", "best"]].max(axis=1)
    if traces:
        solvers, values = (
            set(runs["solver"].unique()),
            {problem: [np.array([best])] for problem, best in highest.items()},
        )
        for (problem, solver, _), trace in traces.items():
            if problem in values and solver in solvers:
                values[problem].append(trace)
        highest = pd.Series({p: np.fmax.reduce(np.concatenate(parts)) for p, parts in values.items()}, dtype=float)
    table = pd.DataFrame({"floor": lowest, "start": lowest, "best": highest.fillna(0.0)})
    anchored = table["anchored"] = anchored_problems(runs).reindex(table.index)
    if anchored.any():
        points = runs.groupby("problem", sort=False)[["chance", "best_known"]].first()
        table["start"] = table["start"].mask(anchored, points["chance"])
        table["best"] = table["best"].mask(anchored, points["best_known"])
    return table
