"""The leaderboard: one row per solver, the best first."""

import numpy as np
import pandas as pd

from amb.sight import CLASSES
from amb.stats import columns
from amb.stats.aggregates import aggregate
from amb.stats.formats import NOT_RANKED
from amb.stats.groups import letters
from amb.stats.omnibus import mean_ranks
from amb.stats.scores import timed


def ranking(
    scored: pd.DataFrame,
    blocks: pd.DataFrame,
    pairs: pd.DataFrame,
    intervals: pd.DataFrame,
    hits: pd.DataFrame,
    anchored: pd.Series,
    *,
    control: str | None = None,
) -> pd.DataFrame:
    """All results of each solver, ordered by mean rank.

    Args:
        scored: the table of `score_runs`. Runs on a problem that is not among the blocks count only in `covered`.
        blocks: the table of `blocks`, problem × solver.
        pairs: the table of `compare_pairs`.
        intervals: the table of `score_intervals`.
        hits: the table of `queries_to` for one fraction: which runs reached the threshold, after how many queries.
        anchored: whether each problem has reference points, from `ranges`.
        control: the solver that the others are compared with.

    Returns:
        One column for every field of `amb.stats.columns.RANKING`, in its order, and place, problems (compared), seeds
        (the smallest number of runs on a compared problem), anchored (the share of these problems that have reference
        points; NaN if none is compared), timed (all runs had the machine to themselves, so seconds are comparable) and
        budget. In particular: letters ("" with a control); covered and asked (problems that the solver, or any solver,
        has a run on); normalized (0 at chance, 1 at the best known value; NaN if no problem has reference points);
        difference, difference_low, difference_high (paired, from the control or the first; NaN for itself); wins, ties,
        losses (problems, against the control or summed over all others); p_holm (of the same pair); hit_share (runs
        that reached the threshold); ert (its expected runtime, inf if no run reached it); solver_class ("": the class
        that the comparison is about).
    """
    covered = scored.groupby("solver")["problem"].nunique()
    budgets = scored.groupby("solver")["budget"].max()
    asked = scored["problem"].nunique()
    scored, hits = (table[table["problem"].isin(blocks.index)] for table in (scored, hits))
    ranks = mean_ranks(blocks) if len(blocks) else pd.Series(np.nan, index=blocks.columns)
    table = intervals.set_index("solver")[["score", "low", "high"]].assign(mean_rank=ranks)
    table = table.sort_values(["mean_rank", "score"], ascending=[True, False], kind="stable")
    order = [str(solver) for solver in table.index]
    table = table.assign(solver_class="", covered=covered, asked=asked)
    table = table.join(_facts(scored, hits)).join(_tallies(blocks, control))
    # If no problem is common, nothing was joined.
    counts = ["runs", "failures", "seeds"]
    table[counts] = table[counts].fillna(0).astype(int)
    table["timed"] = table["timed"].eq(True)
    table["budget"] = budgets
    reference = control if control is not None else order[0]
    table = table.join(pd.DataFrame([_against(pairs, solver, reference) for solver in order], index=order))
    groups = letters(order, pairs) if control is None and len(blocks) else dict.fromkeys(order, "")
    table["letters"] = [groups[solver] for solver in order]
    table["problems"] = len(blocks)
    table["anchored"] = anchored[blocks.index].mean()
    table["place"] = table["mean_rank"].rank(method="min").astype("Int64")
    return table.rename_axis("solver").reset_index()[_order()]


def apart(ranking: pd.DataFrame, name: str, asked: int) -> pd.DataFrame:
    """A ranking of another class, to be shown below: places and tests are within the class, letters are capitals.

    Args:
        ranking: the table of `ranking`.
        name: of the class.
        asked: number of problems on which any solver of the leading class has a run.
    """
    return ranking.assign(solver_class=name, letters=ranking["letters"].str.upper(), asked=asked)


def unranked(scored: pd.DataFrame, intervals: pd.DataFrame, hits: pd.DataFrame) -> pd.DataFrame:
    """Rows of white-box solvers in the columns of `ranking`, to be shown below it: no place, rank, letter or test.

    Args:
        scored, intervals, hits: as for `ranking`, of these solvers only.
    """
    table = intervals.set_index("solver")[["score", "low", "high"]].sort_values("score", ascending=False)
    table = table.join(_facts(scored, hits))
    table["problems"] = table["covered"] = scored.groupby("solver")["problem"].nunique()
    table["asked"] = scored["problem"].nunique()
    table["budget"] = scored.groupby("solver")["budget"].max()
    table = table.assign(letters="", mean_rank=np.nan, p_holm=np.nan, note=NOT_RANKED)
    table["solver_class"] = CLASSES["gradients"].name
    table[["difference", "difference_low", "difference_high"]] = np.nan
    table["anchored"] = np.nan
    for column in ("place", "wins", "ties", "losses"):
        table[column] = pd.array([pd.NA] * len(table), dtype="Int64")
    return table.rename_axis("solver").reset_index()[_order()]


def _order() -> list[str]:
    """The ranking's columns: those that the declared columns read, and those that no table shows."""
    fields = [field for column in columns.RANKING for field in column.fields]
    return list(dict.fromkeys(["place", *fields, "problems", "seeds", "anchored", "timed", "budget"]))


def _facts(scored: pd.DataFrame, hits: pd.DataFrame) -> pd.DataFrame:
    """Counts and averages over each solver's runs, index solver."""
    cells = ["problem", "solver", "seed"]
    runs = scored.assign(timed=timed(scored)).merge(hits[[*cells, "reached", "spent"]], on=cells, how="left")
    tally = runs.groupby("solver").agg(runs=("score", "size"), failures=("failed", "sum"), timed=("timed", "all"))
    tally["seeds"] = runs.groupby(["solver", "problem"]).size().groupby("solver").min()
    rules = {column.name: column.aggregate for column in columns.RANKING if column.aggregate}
    return tally.assign(**{name: aggregate(runs, rule) for name, rule in rules.items()})


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


def _against(pairs: pd.DataFrame, solver: str, reference: str) -> dict[str, object]:
    """The pair of a solver and the one that all are compared with: test and difference, as seen from the solver."""
    both = pairs["first"].isin([solver, reference]) & pairs["second"].isin([solver, reference])
    if solver == reference or not both.any():
        unknown = dict.fromkeys(("p_holm", "difference", "difference_low", "difference_high"), np.nan)
        return {**unknown, "note": ""}
    row = pairs[both].iloc[0]
    sign = 1.0 if row["first"] == solver else -1.0
    low, high = (row["low"], row["high"]) if sign > 0 else (row["high"], row["low"])
    return {
        "p_holm": float(row["p_holm"]),
        "note": str(row["note"]),
        "difference": sign * float(row["difference"]),
        "difference_low": sign * float(low),
        "difference_high": sign * float(high),
    }
