"""Runs as a table: one row a run."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from amb.comparison.baseline import ReferenceStudy
from amb.contracts.reference import Reference
from amb.contracts.space import FloatArray
from amb.errors import StudyError
from amb.references.lookup import reference
from amb.run.plan import Plan
from amb.spec import ProblemId
from amb.stats.gap import gap_closed
from amb.stats.metrics import Cell
from amb.study.published import AnyStudy
from amb.study.runs import RunPlan, RunRecord, Trace


@dataclass(frozen=True)
class Runs:
    """A plan's runs as read from a study.

    Attributes:
        runs: one row a run.
        traces: values in query order, by (problem, solver, seed), without noise, NaN where a query failed: under noise
            the best value told is the luckiest draw, so no curve is made of those (COCO's noisy suite does likewise).
        recommended: the candidate that the solver stood by, or () after a failure.
    """

    runs: pd.DataFrame
    traces: Mapping[Cell, FloatArray]
    recommended: Mapping[Cell, tuple[int, ...]]


def read_runs(plan: Plan, study: AnyStudy, beside: ReferenceStudy | None = None) -> Runs:
    """Read a plan's runs from a study and, those that it lacks, from a reference study.

    Raises:
        StudyError: a run is missing.
    """
    rows, traces, best = [], {}, {}
    white_box = {str(spec) for spec in plan.solvers if spec.cls.white_box}
    measured = {run.problem: run.fingerprint for run in plan.runs}
    points = {name: reference(name, fingerprint=fingerprint) for name, fingerprint in measured.items()}
    for run in plan.runs:
        loaded = find_run(run, study, beside)
        if loaded is None:
            raise StudyError(
                f"{study.folder} lacks {run.problem} x {run.solver} with seed {run.seed}; "
                "`amb run` or `amb compare` makes it"
            )
        record, trace = loaded
        key = (run.problem, run.solver, run.seed)
        rows.append({**run_row(record, trace, run.budget, points[run.problem]), "white_box": run.solver in white_box})
        traces[key] = np.where(np.isnan(trace.values), np.nan, trace.clean)
        best[key] = record.recommended
    return Runs(pd.DataFrame(rows), traces, best)


def find_run(run: RunPlan, study: AnyStudy, beside: ReferenceStudy | None) -> tuple[RunRecord, Trace] | None:
    """A run from a study or, where that lacks it, from the reference beside it."""
    found = study.load(run)
    if found is not None or beside is None:
        return found
    stored = beside.study.load(run)
    # Seconds of another time and machine do not compare.
    return None if stored is None else (replace(stored[0], timing=False), stored[1])


def run_row(record: RunRecord, trace: Trace, budget: int, point: Reference | None = None) -> dict[str, object]:
    """A row of the runs table; `point`, the problem's reference points."""
    parts = ProblemId.parse(record.plan.problem)
    known = trace.clean[~np.isnan(trace.values)]
    return {
        "problem": record.plan.problem,
        "generator": parts.generator,
        "target": parts.target,
        "layer": parts.layer,
        "unit": parts.unit,
        "solver": record.plan.solver,
        "seed": record.plan.seed,
        "budget": budget,
        "status": record.status,
        "queries": record.queries,
        "failed": record.failed,
        "distinct": np.nan if record.distinct is None else record.distinct,
        "final": record.final,
        "chance": np.nan if point is None else point.chance,
        "best_known": np.nan if point is None else point.best,
        "normalized": np.nan if point is None else float(gap_closed(record.final, point.chance, point.best)),
        "best": float(known.max()) if known.size else np.nan,
        "solver_seconds": record.solver_seconds,
        "generator_seconds": record.generator_seconds,
        "target_seconds": record.target_seconds,
        "timing": record.timing,
        "run_id": record.plan.run_id,
    }
