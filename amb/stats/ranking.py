"""The leaderboard: one row a solver, the best first."""

import numpy as np
import pandas as pd

from amb.stats.groups import letters
from amb.stats.omnibus import mean_ranks
from amb.stats.scores import timed


def ranking(
    scored: pd.DataFrame,
    blocks: pd.DataFrame,
    pairs: pd.DataFrame,
    intervals: pd.DataFrame,
    hits: pd.DataFrame,
    *,
    control: str | None = None,
) -> pd.DataFrame:
    """Everything that is known about each solver, ordered by mean rank.

    Args:
        scored: of `score_runs`. Runs on a problem that is not among the blocks count nowhere.
        blocks: of `blocks`, problem × solver.
        pairs: of `compare_pairs`.
        intervals: of `score_intervals`.
        hits: of `queries_to`, one fraction.
        control: the solver with which the others are compared.

    Returns:
        place, solver, letters ("" with a control), problems, runs, failures, score, low, high, normalized (0 at
        chance, 1 at the best known value: median over seeds, then over the problems that have reference points, a
        failed run as chance; NaN where no problem has them), mean_rank,
        wins, ties, losses (problems, against the control or summed over all others), p_holm (against the
        control or the first; NaN for itself), note, hit_share (of runs that reached the target), ert (its expected
        runtime, all problems pooled: queries spent by all runs over runs that reached it, inf if none did),
        solver_seconds and evaluation_seconds (mean a run), timed (all runs had the machine for themselves, so that
        seconds compare),
        distinct_share (of queries), budget, white_box (False).
    """
    budgets = scored.groupby("solver")["budget"].max()
    scored, hits = (table[table["problem"].isin(blocks.index)] for table in (scored, hits))
    ranks = mean_ranks(blocks) if len(blocks) else pd.Series(np.nan, index=blocks.columns)
    table = intervals.set_index("solver")[["score", "low", "high"]].assign(mean_rank=ranks)
    table = table.sort_values(["mean_rank", "score"], ascending=[True, False], kind="stable")
    order = [str(solver) for solver in table.index]
    table = table.assign(white_box=False).join(_facts(scored, hits)).join(_tallies(blocks, control))
    # Where no problem is common, nothing was joined.
    table = table.fillna({"runs": 0, "failures": 0}).astype({"runs": int, "failures": int})
    table["timed"] = table["timed"].eq(True)
    table["budget"] = budgets
    reference = control if control is not None else order[0]
    table["p_holm"], table["note"] = zip(*(_against(pairs, solver, reference) for solver in order), strict=True)
    groups = letters(order, pairs) if control is None and len(blocks) else dict.fromkeys(order, "")
    table["letters"] = [groups[solver] for solver in order]
    table["problems"] = len(blocks)
    table.insert(0, "place", table["mean_rank"].rank(method="min").astype("Int64"))
    return table.rename_axis("solver").reset_index()[_ORDER]


NOT_RANKED = "white-box, not ranked"


def unranked(scored: pd.DataFrame, intervals: pd.DataFrame, hits: pd.DataFrame) -> pd.DataFrame:
    """Rows of white-box solvers in the columns of `ranking`, to stand below it: no place, rank, letter or test.

    Args:
        scored, intervals, hits: as of `ranking`, of these solvers alone.
    """
    table = intervals.set_index("solver")[["score", "low", "high"]].sort_values("score", ascending=False)
    table = table.join(_facts(scored, hits))
    table["problems"] = scored.groupby("solver")["problem"].nunique()
    table = table.assign(letters="", mean_rank=np.nan, p_holm=np.nan, note=NOT_RANKED, white_box=True)
    table["place"] = pd.array([pd.NA] * len(table), dtype="Int64")
    for column in ("wins", "ties", "losses"):
        table[column] = pd.array([pd.NA] * len(table), dtype="Int64")
    return table.rename_axis("solver").reset_index()[_ORDER]


_ORDER = [
    "place",
    "solver",
    "letters",
    "problems",
    "runs",
    "failures",
    "score",
    "low",
    "high",
    "normalized",
    "mean_rank",
    "wins",
    "ties",
    "losses",
    "p_holm",
    "note",
    "hit_share",
    "ert",
    "solver_seconds",
    "evaluation_seconds",
    "timed",
    "distinct_share",
    "budget",
    "white_box",
]


def _facts(scored: pd.DataFrame, hits: pd.DataFrame) -> pd.DataFrame:
    """What is counted of each solver's runs, index solver."""
    counted = scored.assign(timed=timed(scored)).groupby("solver")
    tally = counted.agg(
        runs=("score", "size"), failures=("failed", "sum"), budget=("budget", "max"), timed=("timed", "all")
    )
    return tally.join(_costs(scored)).join(_hits(hits)).join(_normalized(scored))


def _costs(scored: pd.DataFrame) -> pd.DataFrame:
    started = scored[scored["status"] != "skip"]
    costs = pd.DataFrame(
        {
            "solver": started["solver"],
            "solver_seconds": started["solver_seconds"],
            "evaluation_seconds": started["generator_seconds"] + started["target_seconds"],
            "distinct_share": started["distinct"] / started["queries"].clip(lower=1),
        }
    )
    return costs.groupby("solver").mean()


def _normalized(scored: pd.DataFrame) -> pd.Series:
    values = scored["normalized"] if "normalized" in scored else pd.Series(np.nan, scored.index)
    known = values.groupby(scored["problem"]).transform("count") > 0
    runs = scored.assign(normalized=values.where(~scored["failed"], 0.0))[known]
    medians = runs.groupby(["solver", "problem"])["normalized"].median()
    return medians.groupby("solver").median().rename("normalized")


def _hits(hits: pd.DataFrame) -> pd.DataFrame:
    grouped = hits.groupby("solver")
    ert = grouped["spent"].sum() / grouped["reached"].sum().astype(float)
    return pd.DataFrame({"hit_share": grouped["reached"].mean(), "ert": ert})


def _tallies(blocks: pd.DataFrame, control: str | None) -> pd.DataFrame:
    values = np.round(blocks.to_numpy(dtype=float), 12)
    rows = {}
    for j, solver in enumerate(blocks.columns):
        others = [i for i, name in enumerate(blocks.columns) if i != j and control in (None, name)]
        differences = values[:, [j]] - values[:, others]
        rows[solver] = [
            int((differences > 0).sum()),
            int((differences == 0).sum()),
            int((differences < 0).sum()),
        ]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["wins", "ties", "losses"])


def _against(pairs: pd.DataFrame, solver: str, reference: str) -> tuple[float, str]:
    both = pairs["first"].isin([solver, reference]) & pairs["second"].isin([solver, reference])
    if solver == reference or not both.any():
        return np.nan, ""
    row = pairs[both].iloc[0]
    return float(row["p_holm"]), str(row["note"])
