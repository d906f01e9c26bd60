"""How a run ends: what it recommends is scored, and its record and trace are stored."""

from collections.abc import Callable

import numpy as np

from amb.activation import as_activations
from amb.contracts.problem import Problem
from amb.contracts.space import IntArray
from amb.study.journal import Journal
from amb.study.runs import RunPlan, RunRecord, Seconds, Status, Trace, distinct
from amb.study.study import Study


def clean_value(
    problem: Problem, recommended: IntArray, trace: Trace, settle: Callable[[], None] = lambda: None
) -> float:
    """A recommended candidate's noise-free activation: the one in the trace or, if it was never asked, a new one.

    Args:
        settle: called before a new one is measured.
    """
    seen = np.flatnonzero((trace.candidates == recommended).all(axis=1))
    if seen.size and np.isfinite(trace.clean[seen[0]]):
        return float(trace.clean[seen[0]])
    settle()
    return float(as_activations(type(problem).evaluate_together([problem], [recommended[None]]).clean[0][0]))


def saw_nothing(trace: Trace) -> bool:
    """Whether no query of the run succeeded: then it recommends nothing, since that would rest on nothing."""
    return bool(np.isnan(trace.values).all())


def store(
    study: Study,
    plan: RunPlan,
    trace: Trace,
    journal: Journal | None,
    *,
    status: Status,
    recommended: IntArray | None,
    final: float,
    seconds: Seconds,
    message: str,
    timing: bool = False,
) -> RunRecord:
    """Write the run file, drop the run's journal, and return the record; see `RunRecord` for the arguments.

    A failed run that takes the place of one with more queries (a timed one that began anew) leaves a copy of that one.
    """
    if status != "ok" and study.holds_queries(plan, more_than=len(trace)):
        study.keep_copy(plan)
    record = RunRecord(
        plan=plan,
        status=status,
        queries=len(trace),
        distinct=distinct(trace.candidates),
        recommended=() if recommended is None else tuple(recommended.tolist()),
        final=final,
        solver_seconds=seconds.solver,
        generator_seconds=seconds.generator,
        target_seconds=seconds.target,
        timing=timing,
        message=message,
    )
    study.save(record, trace)
    if journal is not None:
        journal.discard()
    else:
        study.drop_journal(plan, len(trace))
    return record
