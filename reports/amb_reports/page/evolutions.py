"""How each most exciting input evolved: the images at the improvements of the best run."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from amb.catalogue.problems import problem as find_problem
from amb.contracts.problem import Problem
from amb.errors import AmbError
from amb.meis.evolution import frames_of
from amb.stats.metrics import Cell
from amb.study.runs import RunRecord, Trace
from amb_reports.page.board import Evolution

FRAMES = 8
"""Largest number of images of one evolution."""

Stored = tuple[RunRecord, Trace]


def best_evolutions(
    runs: pd.DataFrame,
    load: Callable[[Cell], Stored | None],
    problem: Callable[[str], Problem] = find_problem,
    *,
    frames: int = FRAMES,
) -> tuple[tuple[Evolution, ...], list[str]]:
    """The evolution of the best run of every problem and solver, and why some problems have none.

    Args:
        runs: the runs table, with `run_id`.
        load: a run's record and trace; None if no study holds it.
        problem: a problem by its id.
        frames: largest number of images of one evolution.

    A problem that cannot be loaded here, or whose weights or grid have changed since it was measured, has no images.
    """
    evolutions: list[Evolution] = []
    missing: dict[str, str] = {}
    for name, group in runs[runs["final"].notna()].groupby("problem", sort=False):
        best = group.loc[group.groupby("solver", sort=False)["final"].idxmax()]
        loaded = [load((str(name), str(row.solver), int(row.seed))) for row in best.itertuples()]
        stored = [run for run in loaded if run is not None and run[0].recommended]
        try:
            evolutions += _of_problem(problem(str(name)), stored, frames) if stored else []
        except AmbError as error:
            missing[str(name)] = str(error)
    notes = [f"no images of {name}: {why}" for name, why in missing.items()]
    if len(notes) > 3:
        notes = [*notes[:2], f"no images of {len(notes) - 2} more problems"]
    return tuple(evolutions), notes


def _of_problem(problem: Problem, stored: list[Stored], frames: int) -> list[Evolution]:
    if problem.fingerprint != stored[0][0].plan.fingerprint:
        raise AmbError("its weights or grid have changed since it was measured")
    rows = [frames_of(trace, frames - 1) for _, trace in stored]
    candidates = [
        np.concatenate([trace.candidates[row], np.array([record.recommended], dtype=np.int64)])
        for row, (record, trace) in zip(rows, stored, strict=True)
    ]
    images = problem.images(np.concatenate(candidates))
    split = np.split(images, np.cumsum([len(part) for part in candidates])[:-1])
    return [
        Evolution(
            problem.id,
            record.plan.solver,
            record.plan.seed,
            np.append(row + 1, _first_asked(record, trace)),
            np.append(trace.values[row], record.final),
            shown,
        )
        for (record, trace), row, shown in zip(stored, rows, split, strict=True)
    ]


def _first_asked(record: RunRecord, trace: Trace) -> int:
    """The query, from 1, that first asked for the recommended candidate; the last one if none did."""
    asked = np.flatnonzero((trace.candidates == np.array(record.recommended)).all(axis=1))
    return int(asked[0]) + 1 if len(asked) else record.queries
