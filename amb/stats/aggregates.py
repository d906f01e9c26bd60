"""How a solver's number is computed from a quantity of its runs, as data, so that the page applies the same rule."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from amb.stats.gap import anchored_problems


@dataclass(frozen=True)
class Aggregate:
    """How to compute a solver's number from the scored runs table.

    Attributes:
        how: "mean" over runs; "ratio": the sum over runs of `of` divided by that of `per`; "median" over the seeds of
            each problem, then over problems.
        of: columns of the runs table, added up for each run.
        per: a column that each run's value is divided by, and a run with 0 there has no value; for "ratio", its sum.
        started_only: whether runs that were skipped are left out.
        failed: the value that a failed run counts as; None: its own.
        anchored: whether only problems with reference points count.
    """

    how: Literal["mean", "ratio", "median"]
    of: tuple[str, ...]
    per: str | None = None
    started_only: bool = False
    failed: float | None = None
    anchored: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the runs table that the rule reads."""
        return (*self.of, self.per) if self.per else self.of


def aggregate(scored: pd.DataFrame, rule: Aggregate) -> pd.Series:
    """The rule's number for every solver, float64, index solver; NaN if none of its runs has a value.

    Args:
        scored: the table of `score_runs`; a column that the rule reads and that the table lacks is unknown for every
            run.
    """
    runs = scored[scored["status"] != "skip"] if rule.started_only else scored
    if rule.anchored:
        anchored = anchored_problems(runs)
        runs = runs[runs["problem"].isin(anchored.index[anchored])]
    read = runs.reindex(columns=list(rule.columns)).astype(float)
    values = read[list(rule.of)].sum(axis=1, skipna=False)
    if rule.how == "ratio":
        sums = pd.DataFrame({"of": values, "per": read[rule.per or ""]}).groupby(runs["solver"]).sum()
        return sums["of"] / sums["per"]
    if rule.per:
        values = values / read[rule.per].where(read[rule.per] > 0)
    if rule.failed is not None:
        values = values.where(~runs["failed"], rule.failed)
    if rule.how == "mean":
        return values.groupby(runs["solver"]).mean()
    medians = values.groupby([runs["solver"], runs["problem"]]).median().groupby("solver").median()
    return medians.reindex(scored["solver"].unique())
