"""The scored runs as an array, and its nested bootstrap."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class Panel:
    """Scores by problem, solver and seed, on the problems on which every solver has runs.

    Attributes:
        problems, solvers: names of the first two axes.
        clusters: int[problems], number of the (generator, target) pair; problems of one pair share a network, so they
            are not independent evidence.
        scores: float[problems, solvers, seeds]; NaN at the end if a solver has fewer runs on a problem than another.
        counts: int[problems, solvers], numbers of runs.
    """

    problems: tuple[str, ...]
    solvers: tuple[str, ...]
    clusters: NDArray[np.int64]
    scores: NDArray[np.float64]
    counts: NDArray[np.int64]

    @property
    def cluster_count(self) -> int:
        return len(np.unique(self.clusters))

    @property
    def varies(self) -> bool:
        """Whether there is anything to resample: a single run on a single problem has no spread and no interval."""
        return len(self.problems) > 1 or bool((self.counts > 1).any())

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
    rows = {problem: i for i, problem in enumerate(counts.index)}
    columns = {solver: j for j, solver in enumerate(solvers)}
    for (problem, solver), group in table.groupby(["problem", "solver"], sort=False):
        if problem in rows:
            scores[rows[problem], columns[solver], : len(group)] = group.sort_values("seed")[column]
    pairs = table.drop_duplicates("problem").set_index("problem").loc[counts.index, ["generator", "target"]]
    clusters = pairs.groupby(["generator", "target"], sort=False).ngroup().to_numpy(dtype=np.int64)
    return Panel(tuple(counts.index), tuple(solvers), clusters, scores, counts.to_numpy(dtype=np.int64))


def resample(panel: Panel, *, resamples: int, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """Bootstrap replicates of the medians, each float[drawn problems, solvers].

    The data are nested, so each replicate draws with replacement at three levels: clusters, then problems of each drawn
    cluster, then runs of each drawn problem and solver (Davison & Hinkley 1997, section 3.8). The number of problems
    differs between replicates if clusters differ in size.
    """
    members = [np.flatnonzero(panel.clusters == c) for c in np.unique(panel.clusters)]
    solvers = np.arange(len(panel.solvers))[None, :, None]
    seeds = panel.scores.shape[2]
    for _ in range(resamples):
        drawn = rng.integers(len(members), size=len(members))
        rows = np.concatenate([rng.choice(members[c], size=len(members[c])) for c in drawn])
        counts = panel.counts[rows][:, :, None]
        picks = (rng.random((*counts.shape[:2], seeds)) * counts).astype(np.int64)
        runs = panel.scores[rows[:, None, None], solvers, picks]
        if (counts == seeds).all():
            yield np.median(runs, axis=2)
        else:  # a solver with fewer runs draws no more than it has
            runs[np.arange(seeds)[None, None, :] >= counts] = np.nan
            yield np.nanmedian(runs, axis=2)
