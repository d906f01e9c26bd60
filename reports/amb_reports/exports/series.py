"""What the exports to other suites' formats share: numbered problems, best-so-far traces, file names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from amb.reports.contract import ReportData


@dataclass(frozen=True)
class Series:
    """All runs of one solver on one problem.

    Attributes:
        number: of the problem, from 1.
        problem, solver: their names.
        modes: dimension of the space.
        best: the best value known of the problem: that of its reference points, or of a run that is better.
        seeds: one a run.
        told: float64[queries] of each run, NaN where a query failed.
    """

    number: int
    problem: str
    solver: str
    modes: int
    best: float
    seeds: list[int]
    told: list[NDArray[np.float64]]


def series(data: ReportData) -> Iterator[Series]:
    """All problems and solvers of a comparison in its order; a run that observed nothing is left out."""
    points = data.runs.drop_duplicates("problem").set_index("problem").get("best_known", pd.Series(dtype=float))
    known = {
        problem: float(np.nanmax(np.concatenate([*values, [0.0, points.get(problem, np.nan)]])))
        for problem in dict.fromkeys(data.runs["problem"])
        if (values := [told for key, told in data.traces.items() if key[0] == problem])
    }
    for number, (problem, best) in enumerate(known.items(), start=1):
        part = data.runs[data.runs["problem"] == problem]
        for solver, group in part.groupby("solver", sort=False):
            keys = [(problem, str(solver), int(seed)) for seed in group["seed"]]
            kept = [key for key in keys if len(data.traces[key])]
            if kept:
                told = [data.traces[key] for key in kept]
                modes = data.dimensions(problem)
                yield Series(number, problem, str(solver), modes, best, [seed for *_, seed in kept], told)


def file_name(text: str) -> str:
    """The text with whatever a file system or another suite's reader could misread turned into underscores."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text).strip("_")
