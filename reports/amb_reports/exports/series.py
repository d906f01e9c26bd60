"""Code that the exports to other suites' formats share: numbered problems, traces, file names."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from amb.reports.contract import ReportData
from amb.stats.metrics import cells_of

LONGEST_FILE_NAME = 100
_DIGITS = 8


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
        problem: _highest(np.concatenate([*by_problem[problem], [points.get(problem, np.nan)]]))
        for problem in data.runs["problem"].unique().tolist()
        if problem in by_problem
    }
    started: dict[str, dict[str, dict[int, NDArray[np.float64]]]] = {problem: {} for problem in known}
    for cell in cells_of(data.runs):
        problem, solver, seed = cell
        if problem in known and len(data.traces[cell]):
            started[problem].setdefault(solver, {})[seed] = data.traces[cell]
    for number, (problem, best) in enumerate(known.items(), start=1):
        for solver, values in started[problem].items():
            dimensions = data.dimensions(problem)
            yield Series(number, problem, solver, dimensions, best, list(values), list(values.values()))


def _highest(values: NDArray[np.float64]) -> float:
    """The highest value; 0 if there is none, as for a unit that never responds."""
    highest = float(np.fmax.reduce(values))
    return 0.0 if np.isnan(highest) else highest


def ends_and(rows: NDArray[np.int64], queries: int) -> NDArray[np.int64]:
    """The numbers of some queries, from 0, and those of the first and the last, in order."""
    chosen = np.zeros(queries, dtype=bool)
    chosen[rows] = True
    chosen[[0, -1]] = True
    return np.flatnonzero(chosen)


def lowest(values: NDArray[np.float64]) -> float:
    """What the best so far is before a run's first success, since the formats know no missing value: 0, or the lowest
    value, if that is less."""
    return float(np.fmin.reduce(values, initial=0.0))


def file_name(text: str) -> str:
    """A name for a file or folder that no other text has, with what `readable` keeps of it.

    Where that is not the text itself, or only case tells it from another, a digest does.
    """
    name = readable(text)
    if name == text.casefold() and not re.search(f"-[0-9a-f]{{{_DIGITS}}}$", name):
        return name
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"


def readable(text: str) -> str:
    """The text, cut, with underscores for characters that a file system or another suite's reader could misread."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text).strip("_.")[:LONGEST_FILE_NAME]
