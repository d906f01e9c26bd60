"""The scored runs as an array: problem, solver, seed."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class Panel:
    """Scores by problem, solver and seed, on the problems on which every solver has runs.

    Attributes:
        problems, solvers: names of the first two axes.
        scores: float[problems, solvers, seeds]; NaN at the end if a problem has fewer runs than another.
    """

    problems: tuple[str, ...]
    solvers: tuple[str, ...]
    scores: NDArray[np.float64]

    def medians(self) -> NDArray[np.float64]:
        """Median over seeds, float[problems, solvers]."""
        return np.nanmedian(self.scores, axis=2)


def make_panel(scored: pd.DataFrame, solvers: list[str], column: str = "score") -> Panel:
    """The panel of `solvers`, in that order, from the table of `score_runs`."""
    table = scored[scored["solver"].isin(solvers)]
    counts = table.groupby(["problem", "solver"], sort=False).size().unstack(fill_value=0)
    counts = counts.reindex(columns=solvers, fill_value=0)
    counts = counts[(counts > 0).all(axis=1)]
    seeds = int(counts.to_numpy().max(initial=0))
    scores = np.full((*counts.shape, seeds), np.nan)
    table = table[table["problem"].isin(counts.index)].sort_values("seed", kind="stable")
    place = table.groupby(["problem", "solver"], sort=False).cumcount()
    rows, columns = counts.index.get_indexer(table["problem"]), counts.columns.get_indexer(table["solver"])
    scores[rows, columns, place] = table[column]
    return Panel(tuple(counts.index), tuple(solvers), scores)
