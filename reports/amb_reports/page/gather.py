"""From studies, or from a comparison, to a board."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pandas as pd

from amb.catalogue.solvers import resolve
from amb.comparison.table import run_row
from amb.contracts.reference import Reference
from amb.errors import AmbError, StudyError
from amb.references.lookup import reference
from amb.reports.contract import ReportData
from amb.stats import Question, analyse
from amb.stats.metrics import Cell
from amb.study.manifest import Environment, Manifest
from amb.study.published import AnyStudy
from amb.study.runs import RunRecord, Trace
from amb_reports.captions import command
from amb_reports.page.board import Board, Source, at_budget, budgets_to_show, present, view
from amb_reports.page.courses import courses

Studies = Sequence[AnyStudy]


def board_of_studies(studies: Studies, question: Question, *, command: str) -> Board:
    """Unite the finished runs of several studies by their keys.

    Of a run that several studies hold, the longest is shown. Runs of solver versions or weights that a study's
    manifest no longer names are left out and counted.

    Args:
        studies: opened with `amb.study.open_study`.
        question: the metric, the error rate and what counts as equal.
        command: what makes the page again.

    Raises:
        StudyError: no run at all; two studies contradict each other, or measured other weights.
        AmbError: seconds are to rank runs that were not timed alone, or on different machines.
    """
    _same_versions(studies)
    held: dict[str, _Held] = {}
    point = cache(_point)
    left_out = [0] * len(studies)
    for number, study in enumerate(studies):
        for record, trace in study.records():
            if _current(study, record):
                new = _Held(record, trace, number, point(record.plan.problem, record.plan.fingerprint))
                held[record.plan.run_id] = (
                    new if record.plan.run_id not in held else held[record.plan.run_id].united(new, studies)
                )
            else:
                left_out[number] += 1
    if not held:
        named = ", ".join(str(s.folder) for s in studies)
        raise StudyError(f"no finished run in {named}; `amb study status` tells how a study stands")
    order = _order(studies)
    runs = sorted(held.values(), key=lambda h: order(h.record))
    table = pd.DataFrame([h.row() for h in runs])
    if not _same_machine(studies):
        table["timing"] = False  # seconds of different machines do not compare
    traces = {h.cell: h.seen for h in runs}
    noisy = {h.cell: h.told for h in runs if h.told is not h.seen}
    budgets = budgets_to_show(table)
    first = budgets[0]
    shown = at_budget(table[present(table, first)], traces, noisy, first)
    known = {key: traces[key][:first] for key in zip(shown["problem"], shown["solver"], shown["seed"], strict=True)}
    analysis = analyse(shown, known, question)
    views = tuple(view(table, traces, noisy, budget, metric=question.metric) for budget in budgets)

    by_cell = {h.cell: h for h in runs}

    def read(cell: Cell) -> tuple[RunRecord, Trace] | None:
        found = by_cell[cell]
        return studies[found.source].load(found.record.plan)

    made, notes = courses(table, read)
    settings = {**question.to_settings(), "command": command}
    sources = tuple(Source(str(s.folder), s.manifest, left) for s, left in zip(studies, left_out, strict=True))
    return Board(table, traces, views, analysis, settings, sources, made, (*notes, *_left_out(sources)))


def board_of_comparison(data: ReportData) -> Board:
    """The board of one comparison, at its budget and with its statistics."""
    asked = data.settings
    extra = {
        "timing": False,
        "run_id": "",
        "message": "",
        "version": "",
        "source": 0,
        "anytime": True,
        "white_box": False,
    }
    runs = data.runs.assign(**{k: v for k, v in extra.items() if k not in data.runs})
    budget = int(runs["budget"].max())
    question = data.analysis.question
    views = (view(runs, data.traces, {}, budget, metric=question.metric),)
    settings = {**question.to_settings(), "command": command(asked)}
    sources = tuple(Source(str(s.folder), s.manifest) for s in data.studies) or (Source("", Manifest()),)
    made, notes = courses(runs, data.load)
    return Board(runs, data.traces, views, data.analysis, settings, sources, made, (*data.warnings, *notes))


class _Held:
    """One run of the union: its record, and of its trace what a page needs."""

    def __init__(self, record: RunRecord, trace: Trace, source: int, point: Reference | None) -> None:
        self.record = record
        self.told = trace.values
        noise_free = np.array_equal(trace.clean, trace.values, equal_nan=True)
        self.seen = self.told if noise_free else np.where(np.isnan(trace.values), np.nan, trace.clean)
        self.source = source
        self._row = run_row(record, trace, record.plan.budget, point)

    @property
    def cell(self) -> Cell:
        plan = self.record.plan
        return plan.problem, plan.solver, plan.seed

    def united(self, other: "_Held", studies: Studies) -> "_Held":
        """The longer of two finds of one run, if they agree as far as both go."""
        n = min(len(self.told), len(other.told))
        if not np.array_equal(self.told[:n], other.told[:n], equal_nan=True):
            raise StudyError(
                f"{studies[self.source].folder} and {studies[other.source].folder} hold different values of the same "
                f"run {self.record.plan.name} ({self.record.plan.run_id}): leave one of them out"
            )
        return other if len(other.told) > len(self.told) else self

    def row(self) -> dict[str, object]:
        plan = self.record.plan
        return self._row | {
            "white_box": _sees_gradients(plan.solver), "message": self.record.reason, "version": plan.version,
            "source": self.source, "anytime": plan.anytime,
        }  # fmt: skip


def _point(problem: str, fingerprint: str) -> Reference | None:
    """The reference points of what a run measured; a problem that cannot be made here has none."""
    try:
        return reference(problem, fingerprint=fingerprint)
    except AmbError:
        return None


@cache
def _sees_gradients(solver: str) -> bool:
    """Whether a solver is white-box; one that is not installed here counts as any other.

    Of one that is named by its module nothing is imported: a study must not make its reader run code.
    """
    try:
        return ":" not in solver and resolve(solver).cls.white_box
    except AmbError:
        return False


def _current(study: AnyStudy, record: RunRecord) -> bool:
    plan = record.plan
    problems, solvers = study.manifest.problems, study.manifest.solvers
    return problems.get(plan.problem, plan.fingerprint) == plan.fingerprint and (
        solvers.get(plan.solver, plan.version) == plan.version
    )


def _same_machine(studies: Studies) -> bool:
    machines = {e.machine for s in studies if (e := s.manifest.environment) != Environment()}
    return len(machines) < 2


def _same_versions(studies: Studies) -> None:
    for what, words in (("problems", "other weights or another grid of"), ("solvers", "another version of")):
        seen: dict[str, tuple[str, object]] = {}
        for study in studies:
            for name, version in getattr(study.manifest, what).items():
                first, known = seen.setdefault(name, (str(study.folder), version))
                if known != version:
                    raise StudyError(
                        f"{study.folder} has {words} {name} than {first}; make it again in one of them, "
                        "or leave one of them out"
                    )


def _order(studies: Studies) -> Callable[[RunRecord], tuple[int, int, int]]:
    """Problems and solvers as the studies were asked for them; unknown ones last."""

    def places(what: str) -> dict[str, int]:
        asked = [name for study in studies for name in getattr(study.manifest.settings, what)]
        named = [name for study in studies for name in getattr(study.manifest, what)]
        return {name: i for i, name in enumerate(dict.fromkeys([*asked, *named]))}

    problems, solvers = places("problems"), places("solvers")

    def key(record: RunRecord) -> tuple[int, int, int]:
        plan = record.plan
        return problems.get(plan.problem, len(problems)), solvers.get(plan.solver, len(solvers)), plan.seed

    return key


def _left_out(sources: Sequence[Source]) -> list[str]:
    return [
        f"{s.name} also holds {s.left_out} runs of earlier solver versions or other weights, which are left out"
        for s in sources
        if s.left_out
    ]
