"""How each most exciting input came about: the images of the best run's improvements."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from amb.catalogue.problems import problem as find_problem
from amb.contracts.space import IntArray
from amb.errors import AmbError
from amb.stats.metrics import Cell
from amb.study.runs import RunRecord, Trace
from amb_reports.page.board import Course

FRAMES = 8
"""Images of one course, at most."""

Read = Callable[[Cell], tuple[RunRecord, Trace] | None]


def courses(runs: pd.DataFrame, read: Read, *, frames: int = FRAMES) -> tuple[tuple[Course, ...], list[str]]:
    """The courses of the best run of every problem and solver, and why some have none.

    Args:
        runs: the runs table, with `run_id`.
        read: a run's record and trace; None where it is not to be had.
        frames: images of a course.

    A problem that cannot be made here, or that is no longer the one that was measured, has no images.
    """
    made: list[Course] = []
    missing: dict[str, str] = {}
    for name, group in runs[runs["final"].notna()].groupby("problem", sort=False):
        best = group.loc[group.groupby("solver", sort=False)["final"].idxmax()]
        found = []
        for row in best.itertuples():
            loaded = read((str(name), str(row.solver), int(row.seed)))
            if loaded is not None and loaded[0].recommended:
                found.append(loaded)
        try:
            made += _of_problem(str(name), found, frames) if found else []
        except AmbError as error:
            missing[str(name)] = str(error)
    notes = [f"no images of {name}: {why}" for name, why in missing.items()]
    if len(notes) > 3:
        notes = [*notes[:2], f"no images of {len(notes) - 2} more problems"]
    return tuple(made), notes


def _of_problem(name: str, found: list[tuple[RunRecord, Trace]], frames: int) -> list[Course]:
    problem = find_problem(name)
    if problem.fingerprint != found[0][0].plan.fingerprint:
        raise AmbError("its weights or grid are not those that were measured")
    rows = [steps(trace, frames - 1) for _, trace in found]
    parts = [
        np.concatenate([trace.candidates[row], np.array([record.recommended], dtype=np.int64)])
        for row, (record, trace) in zip(rows, found, strict=True)
    ]
    images = problem.images(np.concatenate(parts))
    split = np.split(images, np.cumsum([len(part) for part in parts])[:-1])
    return [
        Course(
            name,
            record.plan.solver,
            record.plan.seed,
            np.append(row + 1, _found(record, trace)),
            np.append(trace.values[row], record.final),
            shown,
        )
        for (record, trace), row, shown in zip(found, rows, split, strict=True)
    ]


def _found(record: RunRecord, trace: Trace) -> int:
    """The query, from 1, that first asked what is recommended; the last one where none did."""
    asked = np.flatnonzero((trace.candidates == np.array(record.recommended)).all(axis=1))
    return int(asked[0]) + 1 if len(asked) else record.queries


def steps(trace: Trace, most: int) -> IntArray:
    """Queries, from 0, at which a trace improved and whose candidates are known, at most `most`, evenly chosen.

    The first improvement is among them, and the last.
    """
    told = np.where(np.isnan(trace.values), -np.inf, trace.values)
    rows = np.flatnonzero(np.diff(np.maximum.accumulate(told), prepend=-np.inf) > 0) if len(told) else np.empty(0, int)
    rows = rows[(trace.candidates[rows] >= 0).all(axis=1)]
    if len(rows) > most:
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, most).round().astype(int))]
    return rows
