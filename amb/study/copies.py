"""Copies of one run, from several machines or people: which of them is kept, and when they contradict each other.

Whatever unites runs, by merging, by publishing or on a page, does so by these rules.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from amb.errors import StudyError
from amb.study.journal import read_undamaged_journal
from amb.study.runs import RunPlan, RunRecord, Trace
from amb.study.traces import read_run


@dataclass(frozen=True)
class Copy:
    """What a file, or a study in a folder, holds of a run; `record` is None if the file is a journal."""

    path: Path
    plan: RunPlan
    record: RunRecord | None
    trace: Trace

    @property
    def rank(self) -> tuple[int, int, bool, bool]:
        """Of two copies that agree, the one with the greater rank is kept."""
        record = self.record
        ended_well, timing = (False, False) if record is None else (not record.failed, record.timing)
        return len(self.trace), self.plan.budget, ended_well, timing


def read_copy(path: Path) -> Copy | None:
    """What a run's file or a journal holds; None for a journal without a complete batch.

    Raises:
        StudyError: it is damaged, or is a journal that does not say which run it belongs to.
        UnreadableError: it cannot be read.
    """
    if path.suffix == ".parquet":
        record, trace = read_run(path)
        return Copy(path, record.plan, record, trace)
    content = read_undamaged_journal(path)
    if content is None:
        return None
    if content.plan is None or not content.is_named(path):
        raise StudyError(f"{path} does not say which run it belongs to; delete it, or finish the run first")
    return Copy(path, content.plan, None, content.known.trace)


def difference(one: Copy, other: Copy) -> str | None:
    """How two copies of one run contradict each other; None if the one with more queries continues the other.

    A budget may cut a batch, and a solver may then ask for different candidates: in the last batch of a shorter run
    they may differ. Candidates that one of the copies did not keep contradict nothing.
    """
    return _difference(one, other)


def _difference(one: Copy, other: Copy, *, numbered: bool = False) -> str | None:
    """The same; `numbered`: traces are compact, whose equal numbers in a batch that was cut may be other candidates."""
    shorter, longer = sorted((one, other), key=lambda copy: copy.rank)
    n = len(shorter.trace)
    if n == 0:
        return None
    if shorter.trace.candidates.shape[1] != longer.trace.candidates.shape[1]:
        sizes = [copy.trace.candidates.shape[1] for copy in (one, other)]
        return f"candidates of {sizes[0]} and of {sizes[1]} dimensions"
    known = shorter.trace.kept & longer.trace.kept[:n]
    same = (shorter.trace.candidates == longer.trace.candidates[:n]).all(axis=1) | ~known
    cut = n == shorter.plan.budget < longer.plan.budget
    fixed = n - int(shorter.trace.batches[-1]) if cut else n
    if not same[:fixed].all():
        return f"query {int(np.argmin(same)) + 1} asks for different candidates"
    comparable = same & ((known & (not numbered)) | (np.arange(n) < fixed))
    for name in ("values", "clean"):
        first, second = getattr(shorter.trace, name), getattr(longer.trace, name)[:n]
        wrong = comparable & (first != second) & ~(np.isnan(first) & np.isnan(second))
        if wrong.any():
            row = int(np.argmax(wrong))
            values = {id(shorter): float(first[row]), id(longer): float(second[row])}
            what = "value" if name == "values" else "noise-free value"
            return f"query {row + 1} has the {what} {values[id(one)]!r} and {values[id(other)]!r}"
    a, b = one.record, other.record
    if a is None or b is None or not a.status == b.status == "ok":
        return None
    if a.queries != b.queries or a.plan.budget != b.plan.budget:
        return None
    for name in ("recommended", "final"):
        x, y = getattr(a, name), getattr(b, name)
        if x != y and not (x != x and y != y):
            return f"{name} is {x!r} and {y!r}"
    return None


def compact_difference(one: Copy, other: Copy) -> str | None:
    """The same of compact traces, whose numbers can be compared only where no candidate is missing."""
    if not (one.trace.kept.all() and other.trace.kept.all()):
        one, other = (replace(copy, trace=_without_candidates(copy.trace)) for copy in (one, other))
    return _difference(one, other, numbered=True)


def _without_candidates(trace: Trace) -> Trace:
    return replace(trace, candidates=np.full_like(trace.candidates, -1))
