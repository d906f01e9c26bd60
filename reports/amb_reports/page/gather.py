"""Building a board from studies or from a comparison."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from amb.catalogue.solvers import resolve
from amb.comparison.stored import stated_sight
from amb.comparison.table import highest, no_finished_run, refuse_unmeasured, rule_note, run_row
from amb.contracts.reference import Reference
from amb.contracts.solver import Solver, recommends_a_query
from amb.contracts.space import FloatArray
from amb.errors import AmbError, DataError, StudyError, UnreadableError
from amb.references.lookup import reference
from amb.reports.contract import ReportData
from amb.sight import Sight
from amb.stats import Question, analyse
from amb.stats.gap import gap_closed
from amb.stats.metrics import Cell, cells_of
from amb.study.asked import unfinished_clauses
from amb.study.changes import mixed
from amb.study.copies import Copy, compact_difference
from amb.study.manifest import Manifest, disagreements, on_one_machine, union
from amb.study.published import AnyStudy
from amb.study.runs import RunRecord, Trace
from amb.text import plural
from amb_reports.captions import command, plugin_options
from amb_reports.page.board import (
    SECONDS,
    Board,
    Source,
    View,
    budgets_to_show,
    common_bounds,
    present,
    truncated,
    view,
)
from amb_reports.page.evolutions import best_images

Studies = Sequence[AnyStudy]


def board_of_studies(studies: Studies, question: Question, *, command: str, budget: int | None = None) -> Board:
    """Merge the finished runs of several studies by run id.

    If several studies hold a run, its longest copy is shown. Runs of solver versions or weights that a study's
    manifest no longer names are left out and counted.

    Args:
        studies: opened with `amb.study.open_study`.
        question: the metric, the error rate and what counts as equal.
        command: the command that rewrites the page.
        budget: queries per run at first; by default those that most runs have.

    Raises:
        StudyError: there is no run, or none that tells about `budget`; two studies contradict each other, or measured
            different weights.
        AmbError: the metric is seconds, and runs were not timed alone, or on different machines.
    """
    manifests = {study.folder: study.manifest for study in studies}  # each is a file that is read
    if apart := disagreements([(str(folder), manifest) for folder, manifest in manifests.items()]):
        raise StudyError(f"{apart[0]}; rerun it in one of them, or leave one of them out")
    stored: dict[str, _StoredRun] = {}
    point, sees = cache(_point), cache(partial(_sees, manifests))
    left_out = [0] * len(studies)
    for number, study in enumerate(studies):
        manifest = manifests[study.folder]
        for record, trace in study.compact_records():
            if _current(manifest, record):
                if (solver := _installed(record.plan.solver)) is not None:
                    refuse_unmeasured(record, trace, solver)
                plan = record.plan
                run = _StoredRun(
                    record, trace, number, point(plan.problem, plan.fingerprint), sees(plan.solver, plan.version)
                )
                known = stored.get(record.plan.run_id)
                stored[record.plan.run_id] = run if known is None else known.united(run, studies)
            else:
                left_out[number] += 1
    if not stored:
        others = f"; {plural(sum(left_out), 'run')} {_NOT_COMPARED} cannot be compared" if sum(left_out) else ""
        raise StudyError(no_finished_run(*studies) + others)
    order = _order(studies)
    runs = sorted(stored.values(), key=lambda run: order(run.record))
    timed = on_one_machine(manifests.values())
    table = _table(runs, timed=timed)
    standing = {}
    absent = _absent(table, budget)
    for queries in budgets_to_show(table, budget):
        places = np.flatnonzero(present(table, queries))
        there = [runs[i] for i in places]
        shown = _stood(table.iloc[places], there, queries, timed=timed)
        standing[queries] = shown, truncated(shown, _traces(there, studies), queries)
    bounds = common_bounds(*next(iter(standing.values())), table)
    views = tuple(view(*stood, queries, metric=question.metric, bounds=bounds) for queries, stood in standing.items())
    first = views[0]
    analysis = analyse(first.runs.drop(columns=["score", "ordered"]), first.traces, question)

    by_cell = {run.cell: run for run in sorted(runs, key=lambda run: run.record.plan.budget)}

    def read(cell: Cell) -> tuple[RunRecord, Trace] | None:
        run = by_cell[cell]
        return studies[run.source].load(run.record.plan)

    longest = table[[by_cell[run.cell] is run for run in runs]]
    images = best_images(longest, {cell: run.values for cell, run in by_cell.items()}, read, _point)
    if command:
        options = plugin_options(table["solver"].unique(), table["problem"].unique())
        command = " ".join([command, *map(shlex.quote, options)])
    settings = {**question.to_settings(), "command": command}
    sources = tuple(Source(str(s.shown), manifests[s.folder], left) for s, left in zip(studies, left_out, strict=True))
    unfinished = unfinished_clauses([(study, manifests[study.folder], by_cell) for study in studies])
    edits = mixed(union(list(manifests.values())))
    notes = (*absent, *_by_rules(runs, views), *edits, *unfinished, *images.notes, *_left_out(sources))
    traces = tuple(run.values for run in runs)
    return Board(table, traces, views, bounds, analysis, settings, sources, images.evolutions, images.landmarks, notes)


def board_of_comparison(data: ReportData) -> Board:
    """The board of one comparison, at its budget and with its statistics."""
    requested = data.settings
    defaults = {
        "timing": False,
        "run_id": "",
        "message": "",
        "version": "",
        "source": 0,
        "anytime": True,
        "sees": "values",
    }
    runs = data.runs.assign(**{k: v for k, v in defaults.items() if k not in data.runs})
    budget = int(runs["budget"].max())
    question = data.analysis.question
    known = truncated(runs, data.traces, budget)
    bounds = common_bounds(runs, known, runs)
    views = (view(runs, known, budget, metric=question.metric, bounds=bounds),)
    settings = {**question.to_settings(), "command": command(requested)}
    sources = tuple(Source(str(s.given), s.manifest) for s in data.studies) or (Source("", Manifest()),)
    images = best_images(runs, data.traces, data.load, _point, data.problem)
    notes = (*data.warnings, *images.notes)
    traces = tuple(data.traces.get(cell, np.empty(0)) for cell in cells_of(runs))
    shown = (images.evolutions, images.landmarks, notes)
    return Board(runs, traces, views, bounds, data.analysis, settings, sources, *shown)


class _StoredRun:
    """A stored run: its record, and its compact trace."""

    def __init__(self, record: RunRecord, trace: Trace, source: int, point: Reference | None, sees: Sight) -> None:
        self.record = record
        self.trace = trace
        self.values = trace.observed
        self.source = source
        self.point = point
        self.sees = sees

    @property
    def cell(self) -> Cell:
        plan = self.record.plan
        return plan.problem, plan.solver, plan.seed

    def united(self, other: "_StoredRun", studies: Studies) -> "_StoredRun":
        """The longer of two copies of one run, if they agree on what both have, as a merge demands."""
        mine, others = (
            Copy(studies[run.source].folder, run.record.plan, run.record, run.trace) for run in (self, other)
        )
        if why := compact_difference(mine, others):
            raise StudyError(
                f"{mine.path} and {others.path} hold different copies of the run {mine.plan.name} "
                f"({mine.plan.run_id}): {why}; leave one of them out"
            )
        return other if others.rank > mine.rank else self

    def row(self) -> dict[str, object]:
        """The run's row of the runs table."""
        plan = self.record.plan
        return run_row(self.record, self.trace, plan.budget, self.point) | {
            "sees": self.sees, "message": self.record.reason,
            "version": plan.version, "source": self.source, "anytime": plan.anytime,
        }  # fmt: skip


def _traces(runs: Sequence[_StoredRun], studies: Studies) -> dict[Cell, FloatArray]:
    """The values of runs that are compared, each problem, solver and seed once.

    Raises:
        StudyError: two runs have these in common, and are not copies of one run.
    """
    found: dict[Cell, _StoredRun] = {}
    for run in runs:
        if (other := found.setdefault(run.cell, run)) is not run:
            raise StudyError(_stored_twice(other, run, studies))
    return {cell: run.values for cell, run in found.items()}


def _stored_twice(one: _StoredRun, other: _StoredRun, studies: Studies) -> str:
    """Which folders hold two runs of which one only can be compared, what tells them apart, and what to do."""
    problem, solver, seed = one.cell
    first, second = (studies[run.source].folder for run in (one, other))
    plans = one.record.plan, other.record.plan
    differ = [words for name, words in _DIFFERENCES.items() if getattr(plans[0], name) != getattr(plans[1], name)]
    which = ", ".join([f"different runs of {solver} on {problem} with seed {seed}", *differ])
    restore = f"amb study restore {second} STUDY --solvers SPECS"
    if first == second:
        return f"{first} holds two {which}; make a study of what is to be shown ({restore}), and name that instead"
    return (
        f"{first} and {second} hold {which}; leave one of the two folders out, or make a study of what the second adds "
        f"({restore}), and name that instead"
    )


_DIFFERENCES = {
    "fingerprint": "measured on different weights or another grid",
    "version": "of two versions of the solver",
    "anytime": "of which only one plans for its budget",
}
"""What tells two runs of one problem, solver, seed and budget apart."""


def _table(runs: Sequence[_StoredRun], *, timed: bool) -> pd.DataFrame:
    """The runs at their own budgets."""
    table = pd.DataFrame([run.row() for run in runs])
    return table if timed else table.assign(timing=False)  # seconds of different machines are not comparable


def _stood(table: pd.DataFrame, runs: Sequence[_StoredRun], budget: int, *, timed: bool) -> pd.DataFrame:
    """The rows of the runs as they stood after `budget` queries: column by column, since there may be thousands."""
    table = table.assign(budget=budget)  # those that broke off earlier had a smaller one
    longer = [i for i, run in enumerate(runs) if run.record.plan.budget > budget]
    if not longer:
        return table
    stood = [runs[i].record.standing(runs[i].trace, budget) for i in longer]
    final = np.array([s.final for s in stood])
    part = table.iloc[longer]
    share = np.array([s.share for s in stood])
    columns: dict[str, object] = {
        "budget": budget,
        "status": [s.status for s in stood],
        "failed": [s.failed for s in stood],
        "queries": [s.queries for s in stood],
        "distinct": [np.nan if s.distinct is None else float(s.distinct) for s in stood],
        "final": final,
        "normalized": gap_closed(final, part["chance"], part["best_known"]),
        "best": [highest(runs[i].trace, budget) for i in longer],
        "timing": [s.timing and timed for s in stood],
        "message": [s.reason for s in stood],
        **{name: part[name] * share for name in SECONDS},
    }
    changed = part.assign(**columns)
    return changed if len(longer) == len(runs) else pd.concat([table.drop(part.index), changed]).loc[table.index]


def _point(problem: str, fingerprint: str) -> Reference | None:
    """The reference points of a run's problem; a problem that cannot be created here has none."""
    try:
        return reference(problem, fingerprint=fingerprint)
    except (DataError, UnreadableError):  # there may be some, and scores depend on them
        raise
    except AmbError:
        return None


@cache
def _installed(solver: str) -> type[Solver] | None:
    """The class of a solver; None if it is not installed here.

    A solver that is named by its module is not imported: a study must not make its reader run code.
    """
    try:
        return None if ":" in solver else resolve(solver).cls
    except AmbError:
        return None


def _sees(manifests: Mapping[Path, Manifest], solver: str, version: str) -> Sight:
    """What a solver sees besides values: as it is installed here, or as the studies say that ran it.

    Raises:
        StudyError: a study says something else.
    """
    given = any(solver in manifest.settings.given for manifest in manifests.values())
    found = None if given else _installed(solver)
    if found is not None and found.version == version:
        return found.sees
    for folder, manifest in manifests.items():
        if solver in manifest.settings.sees:
            return stated_sight(manifest, solver, folder)
    return "values" if found is None else found.sees


def _current(manifest: Manifest, record: RunRecord) -> bool:
    """Whether a run is compared: its solver and problem are the study's, and its neuron was searched alone."""
    plan = record.plan
    if plan.recording is not None:
        return False
    return manifest.problems.get(plan.problem, plan.fingerprint) == plan.fingerprint and (
        manifest.solvers.get(plan.solver, plan.version) == plan.version
    )


def _order(studies: Studies) -> Callable[[RunRecord], tuple[int, int, int]]:
    """Problems and solvers as the studies were asked for them; unknown ones last."""

    def places(what: str) -> dict[str, int]:
        requested = [name for study in studies for name in getattr(study.manifest.settings, what)]
        recorded = [name for study in studies for name in getattr(study.manifest, what)]
        return {name: i for i, name in enumerate(dict.fromkeys([*requested, *recorded]))}

    problems, solvers = places("problems"), places("solvers")

    def key(record: RunRecord) -> tuple[int, int, int]:
        plan = record.plan
        return problems.get(plan.problem, len(problems)), solvers.get(plan.solver, len(solvers)), plan.seed

    return key


def _absent(table: pd.DataFrame, budget: int | None) -> list[str]:
    """Which runs do not tell how they stood at the budget that was asked for.

    Raises:
        StudyError: no run does.
    """
    if budget is None:
        return []
    found = present(table, budget)
    if not found.any():
        own = ", ".join(f"{b:,}" for b in sorted(table["budget"].unique()))
        raise StudyError(
            f"no run tells what was reached after {plural(budget, 'query', 'queries')}: the runs have {own}, and a "
            "shorter run is known only of solvers that do not plan for their budget; give --budget one of these"
        )
    missing = table.loc[~found, "solver"].value_counts(sort=False)
    each = ", ".join(f"{solver} {count:,}" for solver, count in missing.items())
    return [
        f"{plural(int(missing.sum()), 'run')} of {len(table):,} are left out at {plural(budget, 'query', 'queries')} "
        f"({each}): they are shorter, or their solver plans for its budget"
    ] * bool(each)


def _by_rules(runs: Sequence[_StoredRun], views: Sequence[View]) -> list[str]:
    """Which solvers recommend by rules of their own, if runs of theirs are shown as they stood after fewer queries."""
    fewest = min(view.budget for view in views)
    longer = dict.fromkeys(
        run.record.plan.solver for run in runs if run.record.plan.anytime and run.record.plan.budget > fewest
    )
    ruled = [name for name in longer if (cls := _installed(name)) is not None and not recommends_a_query(cls)]
    return [rule_note(ruled)] if ruled else []


_NOT_COMPARED = "of earlier solver versions, other weights, or several neurons at once"


def _left_out(sources: Sequence[Source]) -> list[str]:
    return [
        f"{s.name} also holds {plural(s.left_out, 'run')} {_NOT_COMPARED}, left out here" for s in sources if s.left_out
    ]
