"""Code that the exports to other suites' formats share: numbered problems, traces, file names."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from amb.reports.contract import ReportData

LONGEST_FILE_NAME = 100


@dataclass(frozen=True)
class Series:
    """All runs of one solver on one problem.

    Attributes:
        number: number of the problem, from 1.
        problem, solver: their names.
        dimensions: dimensions of the problem's space.
        best: the best known value of the problem: that of its reference points, or of a run that exceeds it.
        seeds: one per run.
        values: float64[queries] of each run, NaN where a query failed.
    """

    number: int
    problem: str
    solver: str
    dimensions: int
    best: float
    seeds: list[int]
    values: list[NDArray[np.float64]]


def series(data: ReportData) -> Iterator[Series]:
    """All problems and solvers of a comparison, in its order; a run without queries is left out."""
    points = data.runs.drop_duplicates("problem").set_index("problem").get("best_known", pd.Series(dtype=float))
    by_problem: dict[str, list[NDArray[np.float64]]] = {}
    for (problem, *_), trace in data.traces.items():
        by_problem.setdefault(problem, []).append(trace)
    known = {
        problem: float(np.nanmax(np.concatenate([*by_problem[problem], [0.0, points.get(problem, np.nan)]])))
        for problem in dict.fromkeys(data.runs["problem"])
        if problem in by_problem
    }
    for number, (problem, best) in enumerate(known.items(), start=1):
        part = data.runs[data.runs["problem"] == problem]
        for solver, group in part.groupby("solver", sort=False):
            cells = [(problem, str(solver), int(seed)) for seed in group["seed"]]
            started = [cell for cell in cells if len(data.traces[cell])]
            if started:
                values = [data.traces[cell] for cell in started]
                dimensions = data.dimensions(problem)
                yield Series(number, problem, str(solver), dimensions, best, [seed for *_, seed in started], values)


def file_name(text: str) -> str:
    """The text, with underscores for characters that a file system or another suite's reader could misread.

    A long text is cut, and a digest keeps it apart from others.
    """
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", text).strip("_.")
    if name and len(name) <= LONGEST_FILE_NAME:
        return name
    return f"{name[:LONGEST_FILE_NAME]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
