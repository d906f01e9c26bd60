"""Only equal things are compared: the same budget on a problem, and the same number of seeds."""

from collections.abc import Sequence

import pandas as pd

from amb.errors import AmbError
from amb.stats.classes import competing
from amb.stats.scores import common


def check_budgets(runs: pd.DataFrame) -> None:
    """Refuse runs of one problem that had different budgets.

    Raises:
        AmbError: the budgets differ; the message names the problem and the largest common budget.
    """
    budgets = runs.groupby("problem", sort=False)["budget"].agg(["min", "max"])
    unequal = budgets[budgets["min"] < budgets["max"]]
    if len(unequal):
        least, most = int(runs["budget"].min()), int(unequal["max"].iloc[0])
        raise AmbError(
            f"runs on {unequal.index[0]} have budgets from {int(unequal['min'].iloc[0])} to {most}, which cannot be "
            f"compared: cut them to their largest common budget with --budget {least}, or finish the study"
        )


def compared(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs that the ranking is about, which figures and intervals must hold too.

    Those of the leading class, on the problems on which every solver of it has a run, as many seeds of each there.
    """
    return equal_seeds(common(competing(runs)))


def equal_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs, without those that give a solver more seeds on a problem than another one has.

    A median of two runs is their mean, so that solvers with different numbers of runs differ in distribution even if
    they are the same. Where the numbers differ, only seeds that every solver has are kept; where there are none, each
    solver's first ones, as many as the solver with the fewest has. Problems on which a solver has no run are left as
    they are: they are not compared.

    Args:
        runs: at least problem, solver and seed.
    """
    solvers = runs["solver"].nunique()
    left_out: list[object] = []
    for _, part in runs.groupby("problem", sort=False):
        seeds = {solver: list(group) for solver, group in part.groupby("solver", sort=False)["seed"]}
        if len(seeds) < solvers or len(set(map(len, seeds.values()))) == 1:
            continue
        kept = _kept(list(seeds.values()))
        left_out += [
            index for index, solver, seed in zip(part.index, part["solver"], part["seed"], strict=True)
            if seed not in kept[list(seeds).index(solver)]
        ]  # fmt: skip
    return runs.drop(index=left_out) if left_out else runs


def _kept(seeds: Sequence[Sequence[int]]) -> list[set[int]]:
    """The seeds of each solver that are compared."""
    common = set(seeds[0]).intersection(*seeds[1:])
    if common:
        return [common] * len(seeds)
    fewest = min(map(len, seeds))
    return [set(sorted(own)[:fewest]) for own in seeds]
