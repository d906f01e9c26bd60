"""Runs as a table: one row per run."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from amb.comparison.baseline import Baseline
from amb.contracts.reference import Reference
from amb.contracts.solver import Solver, recommends_a_query
from amb.errors import StudyError
from amb.references.lookup import reference
from amb.run.plan import Plan
from amb.spec import ProblemId
from amb.stats.gap import gap_closed
from amb.stats.metrics import Cell, Traces
from amb.study.asked import NOTHING, Asked, unfinished_note
from amb.study.copies import Copy, compact_difference, difference
from amb.study.manifest import on_one_machine
from amb.study.published import AnyStudy, PublishedStudy
from amb.study.runs import RunPlan, RunRecord, Trace
from amb.study.study import Study
from amb.text import plural


@dataclass(frozen=True)
class Runs:
    """A plan's runs as read from a study.

    Attributes:
        runs: one row per run.
        traces: float64[queries] of each run: its values without noise in query order, NaN where a query failed. The
            solver's own values are not used: the best of them is the luckiest draw of the noise (COCO's noisy suite
            leaves them out for the same reason).
        recommended: the candidate that each run recommends, or () if it failed before.
        note: what was cut or left out so that only equal runs are compared, without a full stop; "" if nothing was.
    """

    runs: pd.DataFrame
    traces: Traces
    recommended: Mapping[Cell, tuple[int, ...]]
    note: str = ""


def read_runs(
    plan: Plan,
    study: AnyStudy,
    baseline: Baseline | None = None,
    *,
    unfinished: Asked = NOTHING,
    seeds: Sequence[int] = (),
) -> Runs:
    """Read a plan's runs from a study and the baseline: of two copies of a run, the one with more queries.

    An extension that was interrupted leaves shorter runs next to longer ones: all are then cut to the largest budget
    that they have in common.

    Args:
        plan: the runs to read.
        study: where they are.
        baseline: where others are, or more of the same.
        unfinished: the runs that may be missing: those of a study that was interrupted, published or not. They are
            left out, which the note says.
        seeds: those of the request, if the plan has fewer since the study holds no run of the others.

    Raises:
        StudyError: another run is missing, or published with a larger budget only; no run is finished; or one that
            must be cut planned for its budget.
    """
    rows, traces, recommended = [], {}, {}
    classes = {str(spec): spec.cls for spec in plan.solvers}
    fingerprints = {run.problem: run.fingerprint for run in plan.runs}
    points = {name: reference(name, fingerprint=fingerprint) for name, fingerprint in fingerprints.items()}
    found = []
    one_machine = on_one_machine([study.manifest])
    for run in plan.runs:
        loaded = find_run(run, study, baseline, compact=True)
        if loaded is not None:
            refuse_unmeasured(*loaded, classes[run.solver])
            found.append((run, *loaded))
        elif (run.problem, run.solver, run.seed) not in unfinished or _is_published_longer(study, run):
            raise StudyError(_lacks(study, run, plan))
    if not found:
        if others := study.count_runs():
            raise StudyError(
                f"no run that {study.shown} was last asked for is finished; of its {others:,} others, name those to "
                "compare with --solvers, --problems and --seeds"
            )
        raise StudyError(no_finished_run(study))
    budget = min((min(record.plan.budget, run.budget) for run, record, _ in found), default=plan.budget)
    shorter = sum(record.plan.budget < run.budget for run, record, _ in found)
    notes = []
    asked = Asked(plan.problems, [str(spec) for spec in plan.solvers], seeds or plan.seeds)
    if absent := asked.missing((run.problem, run.solver, run.seed) for run, *_ in found):
        notes.append(unfinished_note(study, absent, len(asked)) + _held_otherwise(plan, study, len(found)))
    if not one_machine and any(record.timing for _, record, _ in found):
        notes.append(f"{study.shown} has runs of several machines, so that they do not count as timed alone")
    if shorter:
        notes.append(
            f"{shorter:,} of {len(found):,} runs have a smaller budget than {plan.budget:,}, so all are compared at "
            f"{budget:,} queries, the largest that they have in common"
        )
    sides = [study] if baseline is None else [study, baseline.study]
    ruled = [
        run.solver
        for run, record, _ in found
        if not recommends_a_query(classes[run.solver])
        and (record.plan.budget > budget or any(_has_longer(side, run) for side in sides))
    ]
    if ruled:
        notes.append(rule_note(dict.fromkeys(ruled)))
    for run, record, trace in found:
        if shorter:
            record, trace = _cut(find_run(run, study, baseline) or (record, trace), budget)
        cell = (run.problem, run.solver, run.seed)
        spent = budget if shorter else run.budget
        row = run_row(record, trace, spent, points[run.problem])
        rows.append({**row, "timing": record.timing and one_machine, "sees": classes[run.solver].sees})
        traces[cell] = trace.observed
        traces[cell].setflags(write=False)
        recommended[cell] = record.recommended
    if isinstance(study, Study):
        study.keep_index()
    return Runs(pd.DataFrame(rows), traces, recommended, "; ".join(notes))


def no_finished_run(*studies: AnyStudy) -> str:
    """What to say, instead of a comparison, about studies that hold no finished run that can be compared."""
    named = ", ".join(str(study.shown) for study in studies)
    return f"{named} holds no finished run; `amb study status` shows how far a study is"


def rule_note(solvers: Iterable[str]) -> str:
    """What to say of solvers that recommend by rules of their own, if longer runs stand for shorter ones."""
    names = list(solvers)
    recommend = "recommends by a rule of its own" if len(names) == 1 else "recommend by rules of their own"
    return (
        f"{', '.join(names)} {recommend}, and what that was after fewer queries than a run has is not known: there, "
        "the best query observed counts; a new study with that budget has the recommendation itself"
    )


def _has_longer(study: AnyStudy, run: RunPlan) -> bool:
    """Whether a study holds more of a run than is asked for, which is then cut."""
    ending = study.ending(run) if isinstance(study, Study) else None
    return ending is not None and ending.budget > run.budget


def _is_published_longer(study: AnyStudy, run: RunPlan) -> bool:
    """Whether a run that was not found was published with more queries, of which too few candidates were kept."""
    return isinstance(study, PublishedStudy) and study.holds(run)


def _held_otherwise(plan: Plan, study: AnyStudy, found: int) -> str:
    """What a study holds in place of runs that it lacks: a clause to add, "" if nothing."""
    if study.count_runs() <= found:
        return ""  # without reading them all
    asked = {(run.problem, run.solver, run.seed): run for run in plan.runs}
    others, planned = 0, Counter[str]()
    for one in study.plans():
        run = asked.get((one.problem, one.solver, one.seed))
        if run is None or one.recording is not None or one.run_id == run.run_id:
            continue
        if (one.fingerprint, one.version) == (run.fingerprint, run.version):
            planned[one.solver] += 1
        else:
            others += 1
    parts = [_other(others)] if others else []
    parts += [
        f"{plural(count, 'run')} of {name} with another budget, for which it plans" for name, count in planned.items()
    ]
    return f"; it holds {' and '.join(parts)}, which are not compared" if parts else ""


def _other(runs: int) -> str:
    return f"{plural(runs, 'run')} with other weights, another grid or another version of the solver"


def _lacks(study: AnyStudy, run: RunPlan, plan: Plan) -> str:
    if isinstance(study, Study):
        return (
            f"{study.shown} lacks {run.problem} x {run.solver} with seed {run.seed}; "
            "execute it with `amb run` or `amb compare`"
        )
    queries = plural(run.budget, "query", "queries")
    folder = shlex.quote(str(study.shown))
    lacks = f"{study.shown}, a published study, lacks {run.problem} x {run.solver} with seed {run.seed} and {queries}"
    neuron = [one for one in study.plans() if (one.problem, one.recording) == (run.problem, run.recording)]
    others = [one for one in neuron if one.fingerprint == run.fingerprint]
    like = run.solver, run.version, run.seed
    budget = max((one.budget for one in others if (one.solver, one.version, one.seed) == like), default=None)
    if budget is None:
        if held := sum((one.solver, one.seed) == (run.solver, run.seed) for one in neuron):
            return f"{lacks}, and holds {_other(held)} in its place; `amb publish` a study of one network and version"
        return f"{lacks}, and holds it with no other budget; `amb leaderboard {folder}` compares what was published"
    there = {(one.solver, one.seed) for one in others if one.budget == budget}
    seeds = [seed for seed in plan.seeds if (run.solver, seed) in there]
    asked = [str(spec) for spec in plan.solvers]
    solvers = [name for name in asked if all((name, seed) in there for seed in seeds)]
    words = ["amb", "report", str(study.shown), "--problems", run.problem, "--budget", str(budget)]
    words += ["--solvers", ",".join(solvers)] * (solvers != asked)
    if len(seeds) < len(plan.seeds):  # one number alone is a count
        words += ["--seeds", ",".join(map(str, seeds)) if len(seeds) > 1 else f"{seeds[0]}..{seeds[0]}"]
    return (
        f"{lacks}: this run was published with {plural(budget, 'query', 'queries')}, and published runs cannot be "
        f"shortened or added to. `{shlex.join(words)}` reports on this problem; `amb leaderboard {folder}` compares "
        "all that was published"
    )


def _cut(run: tuple[RunRecord, Trace], budget: int) -> tuple[RunRecord, Trace]:
    """The run, with its candidates, at a smaller budget.

    Raises:
        StudyError: its solver plans for its budget.
    """
    record, trace = run
    try:
        return record.at_budget(trace, budget)
    except ValueError as cause:
        raise StudyError(
            f"the runs have different budgets, and {record.plan.name} cannot be cut to {budget} queries: {cause}; "
            "finish the study, or leave this solver out"
        ) from cause


def find_run(
    run: RunPlan, study: AnyStudy, baseline: Baseline | None, *, compact: bool = False
) -> tuple[RunRecord, Trace] | None:
    """A run from a study or the baseline, whichever has more of it; its trace may be compact (`amb.study.compact`).

    Raises:
        StudyError: both have it, and the two contradict each other.
    """
    loaded = study.load_compact(run) if compact else study.load(run)
    if baseline is None:
        return loaded
    stored = baseline.study.load_compact(run) if compact else baseline.study.load(run)
    if stored is None:
        return loaded
    # Seconds measured at another time, perhaps on another machine, are not comparable.
    stored = replace(stored[0], timing=False), stored[1]
    if loaded is None:
        return stored
    folders = study.folder, baseline.study.folder
    own, other = (Copy(f, r.plan, r, t) for f, (r, t) in zip(folders, (loaded, stored), strict=True))
    if why := (compact_difference if compact else difference)(own, other):
        raise StudyError(
            f"{own.path} and the reference in {other.path} hold different copies of the run {run.name} "
            f"({run.run_id}): {why}. A run has one outcome: delete the wrong one, compare without the "
            "reference, or use another study"
        )
    return stored if other.rank > own.rank else loaded


def refuse_unmeasured(record: RunRecord, trace: Trace, solver: type[Solver]) -> None:
    """Refuse a final value that no query measured, of a solver that recommends one of its queries.

    A published study keeps few candidates, so its runs do not show which query the recommended one was.

    Raises:
        StudyError: the run has such a value.
    """
    observed = recommends_a_query(solver) and solver.version == record.plan.version
    if observed and not np.isnan(record.final) and not (trace.clean == record.final).any():
        raise StudyError(
            f"the run {record.plan.name} ({record.plan.run_id}) is damaged: its final value is {record.final}, which "
            f"none of its queries measured (the highest is {highest(trace)}); get a new copy of the study, or leave "
            "this solver out"
        )


def highest(trace: Trace, queries: int | None = None) -> float:
    """The highest noise-free value of a query that succeeded, of all or of the first ones; NaN if none did."""
    known = trace.clean[:queries][~np.isnan(trace.values[:queries])]
    return float(known.max()) if known.size else np.nan


def run_row(record: RunRecord, trace: Trace, budget: int, point: Reference | None = None) -> dict[str, object]:
    """A row of the runs table.

    Args:
        record, trace: the record and trace of the run.
        budget: the budget that was asked for.
        point: the problem's reference points, if it has any.
    """
    parts = ProblemId.parse(record.plan.problem)
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
        "failed": record.failed,
        "queries": record.queries,
        "distinct": np.nan if record.distinct is None else record.distinct,
        "final": record.final,
        "chance": np.nan if point is None else point.chance,
        "best_known": np.nan if point is None else point.best,
        "normalized": np.nan if point is None else float(gap_closed(record.final, point.chance, point.best)),
        "best": highest(trace),
        "solver_seconds": record.solver_seconds,
        "generator_seconds": record.generator_seconds,
        "target_seconds": record.target_seconds,
        "timing": record.timing,
        "run_id": record.plan.run_id,
    }
