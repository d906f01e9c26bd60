"""How a run ends: what it recommends is scored, and its record and trace are stored."""

from collections.abc import Callable

import numpy as np

from amb.activation import as_activations
from amb.contracts import asking
from amb.contracts.problem import Problem
from amb.contracts.solver import Solver, recommends_a_query
from amb.contracts.space import FloatArray, IntArray
from amb.errors import SolverError
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
    seen = measured(trace, recommended)
    if seen.size:
        return float(seen[0])
    settle()
    return float(as_activations(asking.activations(problem, recommended[None]))[0])


def measured(trace: Trace, candidate: IntArray) -> FloatArray:
    """The noise-free values of the queries that asked for a candidate and succeeded, in their order."""
    values = trace.clean[(trace.candidates == candidate).all(axis=1)]
    return values[np.isfinite(values)]


def refuse_unmeasured(recommended: IntArray, trace: Trace, solver: type[Solver]) -> None:
    """Refuse what a solver cannot recommend by the method of its class; readers would take the run for damaged.

    An object whose attributes were changed may: one that was given a `recommend` of its own, or another best value.

    Raises:
        SolverError: no query has measured the candidate.
    """
    if recommends_a_query(solver) and not measured(trace, recommended).size:
        raise SolverError(
            "recommends a candidate that no query has measured; a solver may do so if its class overrides recommend()"
        )


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
