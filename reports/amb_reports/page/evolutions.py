"""The images of a page: how each most exciting input evolved, and what it is seen next to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from amb.catalogue.problems import problem as find_problem
from amb.comparison.stored import StoredProblem
from amb.contracts import asking
from amb.contracts.problem import Problem
from amb.contracts.reference import Reference
from amb.contracts.space import FloatArray
from amb.errors import AmbError
from amb.meis.evolution import candidates_of, frames_of
from amb.stats.metrics import Cell, Traces, cells_of
from amb.study.runs import RunRecord, Trace
from amb_reports.page.board import Evolution, Landmark

FRAMES = 8
"""Largest number of images of one evolution."""

TIE = 1e-12
"""Activations that differ by less are equal."""

Stored = tuple[RunRecord, Trace]


@dataclass(frozen=True)
class Images:
    """The images of a page, and why some problems have none."""

    evolutions: tuple[Evolution, ...]
    landmarks: tuple[Landmark, ...]
    notes: tuple[str, ...]


def best_images(
    runs: pd.DataFrame,
    traces: Traces,
    load: Callable[[Cell], Stored | None],
    point: Callable[[str, str], Reference | None],
    problem: Callable[[str], Problem] = find_problem,
    *,
    frames: int = FRAMES,
) -> Images:
    """The evolution of the best run of every problem and solver, and what it is seen next to.

    Args:
        runs: the runs table, with `run_id`.
        traces: values without noise. Of runs that end equal, the one that reached its value first is the best.
        load: a run's record and trace; None if no study holds it.
        point: the reference points of a problem, by its id and fingerprint.
        problem: a problem by its id.
        frames: largest number of images of one evolution.

    A problem that cannot be loaded here, or whose weights or grid have changed since it was measured, has no images.
    """
    evolutions: list[Evolution] = []
    landmarks: list[Landmark] = []
    missing: dict[str, str] = {}
    highest = runs[runs["final"] == runs.groupby(["problem", "solver"], sort=False)["final"].transform("max")]
    for name, group in highest.groupby("problem", sort=False):
        finals = zip(cells_of(group), group["final"].tolist(), strict=True)
        reached = [first_reached(traces.get(cell, np.empty(0)), final) for cell, final in finals]
        ordered = group.assign(reached=reached).sort_values("reached", kind="stable")
        best = ordered.drop_duplicates("solver").sort_index()
        loaded = [load(cell) for cell in cells_of(best)]
        stored = [run for run in loaded if run is not None and run[0].recommended]
        if not stored:
            continue
        fingerprint = stored[0][0].plan.fingerprint
        try:
            found = problem(str(name))
            if isinstance(found, StoredProblem):  # the comparison's warnings say so
                continue
            evolutions += _of_problem(found, stored, frames)
            known = point(str(name), fingerprint)
            landmarks.append(landmark(str(name), found, [trace for _, trace in stored], known))
        except AmbError as error:
            missing[str(name)] = str(error)
    notes = [f"no images of {name}: {why}" for name, why in missing.items()]
    if len(notes) > 3:
        notes = [*notes[:2], f"no images of {len(notes) - 2} more problems"]
    return Images(tuple(evolutions), tuple(landmarks), tuple(notes))


def landmark(name: str, problem: Problem, traces: Sequence[Trace], point: Reference | None) -> Landmark:
    """What the images of a problem are seen next to, as far as its reference points and these traces know it.

    `name` is the problem's in its runs, which may state options that its id leaves out.
    """
    if point is None:
        return Landmark(name)
    firsts = [(float(t.clean[0]), t.candidates[0]) for t in traces if len(t) and t.kept[0] and np.isfinite(t.clean[0])]
    chance = min(firsts, key=lambda first: abs(first[0] - point.chance), default=None)
    trip = point.round_trip
    candidates = [*([chance[1]] if chance else []), *([np.array(trip.candidate)] if trip else [])]
    images = list(asking.images(problem, np.array(candidates, dtype=np.int64))) if candidates else []
    return Landmark(
        name,
        chance=chance[0] if chance else None,
        chance_image=images[0] if chance else None,
        natural=point.natural,
        natural_image=images[-1] if trip else None,
        natural_shown=trip.value if trip else None,
    )


def first_reached(values: FloatArray, final: float) -> int:
    """The query, from 1, that first reached a run's final activation; the last one if none did.

    A run that saturates early may recommend a candidate of the same activation that it asked for much later.
    """
    reached = np.flatnonzero(values >= final - TIE)
    return int(reached[0]) + 1 if len(reached) else len(values)


def _of_problem(problem: Problem, stored: list[Stored], frames: int) -> list[Evolution]:
    if problem.fingerprint != stored[0][0].plan.fingerprint:
        raise AmbError("its weights or grid have changed since it was measured")
    rows = [frames_of(trace, frames - 1) for _, trace in stored]
    candidates = [candidates_of(record, trace, row) for row, (record, trace) in zip(rows, stored, strict=True)]
    images = asking.images(problem, np.concatenate(candidates))
    split = np.split(images, np.cumsum([len(part) for part in candidates])[:-1])
    return [
        Evolution(
            record.plan.problem,
            record.plan.solver,
            record.plan.seed,
            np.append(row + 1, first_reached(trace.observed, record.final)),
            np.append(trace.values[row], record.final),
            shown,
        )
        for (record, trace), row, shown in zip(stored, rows, split, strict=True)
    ]
