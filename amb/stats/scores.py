"""Steps 1 and 2: the score of every run, and one median for each problem and solver."""

import numpy as np
import pandas as pd

from amb.activation import LARGEST, SMALLEST
from amb.errors import AmbError
from amb.stats.gap import ranges
from amb.stats.metrics import Traces, cells_of, find_metric
from amb.stats.queries import THRESHOLD, anytime_area, first_hits, queries_to
from amb.stats.question import Question

COLUMNS = [
    "problem",
    "generator",
    "target",
    "layer",
    "unit",
    "solver",
    "seed",
    "budget",
    "status",
    "queries",
    "distinct",
    "final",
    "best",
    "solver_seconds",
    "generator_seconds",
    "target_seconds",
]
SATURATED = 1.0
"""A spike in every frame at every position: no activation of a spiking network can be higher."""

NUDGE = 1e-6
"""Breaks ties, unless differences of a problem's scores are smaller still. One spike in 100 frames on a 64 × 64 map is
more."""


def check_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs table, after checking that it has all columns, at least one row, and no run twice.

    A table without the column `failed` gets it: a run failed if its status is not "ok" or it has no final value.

    Raises:
        AmbError: one of these does not hold; the message says which.
    """
    missing = [column for column in COLUMNS if column not in runs]
    if missing:
        raise AmbError(f"the runs table lacks the columns {', '.join(missing)}; it has {', '.join(map(str, runs))}")
    if runs.empty:
        raise AmbError("there are no runs to compare: the runs table is empty")
    if "failed" not in runs:
        runs = runs.assign(failed=(runs["status"] != "ok") | runs["final"].isna())
    twice = runs.duplicated(["problem", "solver", "seed"])
    if twice.any():
        problem, solver, seed = runs.loc[twice, ["problem", "solver", "seed"]].iloc[0]
        raise AmbError(f"run {problem} × {solver} × seed {seed} is in the runs table twice; drop one of its rows")
    _check_scale(runs)
    return runs


def _check_scale(runs: pd.DataFrame) -> None:
    """Refuse activations whose differences rounding would hide or overflow: a wrong order, without a word.

    Raises:
        AmbError: the largest final activation of a problem is beyond `LARGEST`, or not 0 and below
            `SMALLEST`.
    """
    largest = runs["final"].abs().groupby(runs["problem"], sort=False).max()
    unusable = (largest > LARGEST) | ((largest > 0) & (largest < SMALLEST))
    for problem, size in largest[unusable].items():
        raise AmbError(
            f"the final activations of {problem} reach {size:.3g} in size, but tests and ranks need {SMALLEST:g} to "
            f"{LARGEST:g}: choose a unit of measurement in which they reach it "
            "(activations are rounded to 12 decimals, so that rounding errors break no ties)"
        )


def timed(runs: pd.DataFrame) -> pd.Series:
    """Whether each run had the machine to itself, so that seconds are comparable; False if the table does not say."""
    return runs["timing"].astype(bool) if "timing" in runs else pd.Series(False, index=runs.index)


def common(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs on problems on which every solver of the table has a run."""
    solvers = runs.groupby("problem")["solver"].transform("nunique")
    return runs[solvers == runs["solver"].nunique()]


def score_runs(
    runs: pd.DataFrame, traces: Traces, *, metric: str = Question.metric, bounds: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The runs with two more columns, `score` and `ordered`.

    `score` is oriented so that higher is better (see `METRICS`). `ordered` is the score with ties broken, for ranks
    and tests alone: of two runs at saturation the one that needed fewer queries is better, and a failed run is worse
    than any other. A failed run is never dropped: it scores the problem's floor (see `ranges`), that of these runs if
    it is lower than that of `bounds`, or the lowest score on that problem, if that is lower still; where costs are
    scored, the worst cost.

    Args:
        runs: one row per run, with the columns `COLUMNS`.
        traces: the values of each run.
        metric: a name in `METRICS`.
        bounds: the table of `ranges`, of these runs or of others that set the scale; by default that of these runs.

    Raises:
        AmbError: the table is not a runs table, or the metric is unknown.
    """
    find_metric(metric)
    table = check_runs(runs).reset_index(drop=True).copy()
    table["failed"] = table["failed"].astype(bool)
    known = ranges(table, traces) if bounds is None else bounds
    own = ranges(table)["floor"]
    lowest = np.minimum(known.loc[own.index, "floor"], own)  # the bounds may be of other runs, none of them as low
    floors = table["problem"].map(lowest)
    cells = cells_of(table)
    values = [traces.get(cell, np.empty(0)) for cell in cells]
    worst = floors
    if metric == "final":
        score = table["final"]
        nudge = _saturation_bonus(table, values)
    elif metric == "anytime":
        triples = zip(values, table["budget"], floors, strict=True)
        score = pd.Series([anytime_area(v, int(budget), floor) for v, budget, floor in triples])
        nudge = pd.Series(0.0, index=table.index)
        worst = np.minimum(worst, score.groupby(table["problem"]).transform("min"))
    elif metric == "queries":
        hits = queries_to(table, traces, fractions=[THRESHOLD], bounds=known)
        needed = hits.set_index(["problem", "solver", "seed"])["queries"]
        queries = pd.Series([float(needed.get(cell, np.inf)) for cell in cells])
        score = -np.log10(queries.clip(upper=table["budget"]))
        nudge = -1.0 * np.isinf(queries)
        worst = -np.log10(table["budget"])
    else:
        score = -np.log10(table["solver_seconds"].clip(lower=1e-6))
        nudge = pd.Series(0.0, index=table.index)
        worst = score.groupby(table["problem"]).transform("min")
    table["score"] = score.where(~table["failed"], worst).astype(float)
    nudge = nudge.where(~table["failed"], -2.0)  # worse than a run that missed
    table["ordered"] = table["score"] + nudge * table["problem"].map(_nudges(table))
    return table


def _nudges(scored: pd.DataFrame) -> dict[object, float]:
    """By how much ties are broken on each problem: so little that no order of runs, or of medians, is reversed.

    Between two solvers, ties are broken by at most three times as much.
    """
    found = {}
    for problem, runs in scored.groupby("problem", sort=False):
        medians = runs.groupby("solver", sort=False)["score"].median()
        steps = np.diff(np.unique(np.round(np.concatenate([runs["score"], medians]), 12)))
        found[problem] = min([NUDGE, *steps[steps > 0] / 4])
    return found


def median_scores(scored: pd.DataFrame) -> pd.DataFrame:
    """One row per problem and solver: the median of its runs, and how many of them failed.

    Returns:
        problem, generator, target, layer, unit, solver; runs, failures, saturated (share of runs at 1.0), score and
        ordered (medians over seeds).
    """
    keys = ["problem", "generator", "target", "layer", "unit", "solver"]
    grouped = scored.assign(saturated=scored["final"] == SATURATED).groupby(keys, sort=False, dropna=False)
    return grouped.agg(
        runs=("score", "size"),
        failures=("failed", "sum"),
        saturated=("saturated", "mean"),
        score=("score", "median"),
        ordered=("ordered", "median"),
    ).reset_index()


def blocks(medians: pd.DataFrame, column: str = "ordered") -> pd.DataFrame:
    """Problem × solver, for the problems on which every solver has runs: the blocks of the tests."""
    wide = medians.pivot(index="problem", columns="solver", values=column)
    order = {name: list(dict.fromkeys(medians[name])) for name in ("problem", "solver")}
    return wide.loc[order["problem"], order["solver"]].dropna()


def _saturation_bonus(table: pd.DataFrame, values: list[np.ndarray]) -> pd.Series:
    highest = table.groupby("problem")["final"].transform("max")
    at_ceiling = (table["final"] == SATURATED) & (highest == SATURATED)
    bonus = np.zeros(len(table))
    for i in np.flatnonzero(at_ceiling):
        budget = float(table["budget"].iloc[i])
        needed = min(first_hits(values[i], [SATURATED])[0], budget)
        bonus[i] = 1 - needed / (budget + 1)
    return pd.Series(bonus, index=table.index)
