"""What a record says of its run: whether it failed, and how it stood at a smaller budget."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amb import FunctionProblem, Space
from amb.comparison.table import run_row
from amb.run.execute import execute
from amb.run.progress import Progress, UnderWay
from amb.study.health import examine, study_status
from amb.study.published import PublishedStudy, publish
from amb.study.runs import RunPlan, RunRecord, Trace, improvements
from amb.study.study import Study

SPACE = Space.uniform(6, 16)
PLAN = RunPlan("p/q/r/0", "print", "climber", "1", 0, 20)


class Unit:
    """A unit whose queries all fail until it `works`; counts what it is asked."""

    def __init__(self) -> None:
        self.works = False
        self.queries = 0

    def __call__(self, spec: str) -> FunctionProblem:
        def respond(candidates: np.ndarray) -> np.ndarray:
            self.queries += len(candidates)
            return candidates.mean(axis=1) if self.works else np.full(len(candidates), np.nan)

        return FunctionProblem(respond, SPACE, id=spec)


class Ended(Progress):
    def __init__(self) -> None:
        self.runs: list[RunPlan] = []

    def finished(self, run: UnderWay, record: RunRecord) -> None:
        self.runs.append(record.plan)


def ended(study: Study, plan: RunPlan, unit: Unit, *, retry: bool = False) -> list[RunPlan]:
    progress = Ended()
    execute([plan], study, unit, retry=retry, progress=progress)
    return progress.runs


def stored(study: Study, plan: RunPlan) -> RunRecord:
    loaded = study.load(plan)
    assert loaded is not None
    return loaded[0]


@pytest.mark.usefixtures("toy")
def test_a_unit_that_never_answers_is_a_failed_run_everywhere(tmp_path: Path) -> None:
    study = Study(tmp_path)
    execute([PLAN], study, Unit())
    record, trace = next(study.records())
    assert (record.status, record.failed, record.outcome) == ("ok", True, "no activation")
    assert record.reason == "no query succeeded"
    assert run_row(record, trace, 20)["failed"] is True
    status = study_status(study)
    assert (status.finished, len(status.failed)) == (0, 1)
    (finding,) = examine(study)
    assert "no query succeeded" in finding.what
    assert finding.repair == "none"


@pytest.mark.usefixtures("toy")
def test_a_run_without_an_activation_is_rerun_only_by_retry_and_extended_by_a_larger_budget(tmp_path: Path) -> None:
    study, unit = Study(tmp_path), Unit()
    assert ended(study, PLAN, unit) == [PLAN]
    assert ended(study, PLAN, unit) == []
    assert ended(study, PLAN, unit, retry=True) == [PLAN]
    assert unit.queries < 2 * 20, "what was observed is not measured again; only the recommended candidate is"
    longer, unit.works = replace(PLAN, budget=40), True
    assert ended(study, longer, unit) == [longer]
    assert not stored(study, longer).failed
    assert stored(study, PLAN).reason == "no query succeeded"
    assert ended(study, PLAN, unit, retry=True) == [], "a longer run is never replaced by a shorter one"
    assert stored(study, longer).queries == 40


@pytest.mark.usefixtures("toy")
def test_a_crashed_run_continues_only_with_retry(tmp_path: Path) -> None:
    study, plan = Study(tmp_path), replace(PLAN, solver="crasher")
    assert ended(study, plan, Unit()) == [plan]
    assert ended(study, replace(plan, budget=40), Unit()) == []
    assert ended(study, plan, Unit(), retry=True) == [plan]


def whole_run(values: list[float], batch: int) -> tuple[RunRecord, Trace]:
    n = len(values)
    rng = np.random.default_rng(n)
    told = np.array(values)
    batches = np.diff(np.append(np.arange(0, n, batch), n))
    trace = Trace(rng.integers(0, 3, (n, 2)), told, told + 1, batches)
    record = RunRecord(replace(PLAN, budget=n), "ok", n, n, (0, 0), 1.0, 4.0, 6.0, 8.0, timing=True)
    return record, trace


VALUES = st.lists(st.floats(-1, 1) | st.just(np.nan), min_size=2, max_size=30)


@given(VALUES, st.integers(1, 5), st.data())
def test_a_run_at_a_smaller_budget_is_its_first_queries(values: list[float], batch: int, data: st.DataObject) -> None:
    """The best value so far decides, ties for the first; nothing after the budget counts."""
    whole, trace = whole_run(values, batch)
    budget = data.draw(st.integers(1, len(values) - 1))
    record, part = whole.at_budget(trace, budget)
    assert len(part) == part.batches.sum() == record.queries == record.plan.budget == budget
    assert (part.batches > 0).all()
    assert record.plan.run_id == whole.plan.run_id
    assert record.distinct == len({tuple(row) for row in trace.candidates[:budget].tolist()})
    known = [i for i in range(budget) if not np.isnan(values[i])]
    assert record.failed == (not known)
    if known:
        best = max(known, key=lambda i: (values[i], -i))
        assert record.final == values[best] + 1
        assert record.recommended == tuple(trace.candidates[best].tolist())
        assert record.reason == ""
    else:
        assert record.reason == "no query succeeded"
    assert record.solver_seconds == pytest.approx(4.0 * budget / len(values))
    assert not record.timing


def test_a_run_that_crashed_later_had_not_failed_yet() -> None:
    whole, trace = whole_run([0.1, 0.3, 0.2, 0.4], 2)
    crashed = replace(whole, plan=replace(PLAN, budget=9), status="crash", message="boom", final=np.nan)
    early, _ = crashed.at_budget(trace, 3)
    assert (early.status, early.failed, early.message, early.final) == ("ok", False, "", 1.3)
    late, part = crashed.at_budget(trace, 7)
    assert (late.status, late.reason, late.queries, late.timing) == ("crash", "boom", 4, True)
    assert len(part) == 4


def test_a_solver_that_plans_for_its_budget_has_no_smaller_run() -> None:
    whole, trace = whole_run([0.1, 0.2], 1)
    planned = replace(whole, plan=replace(whole.plan, anytime=False))
    assert planned.at_budget(trace, 2)[0] is planned
    with pytest.raises(ValueError, match="plans for its budget"):
        planned.at_budget(trace, 1)


@pytest.mark.usefixtures("toy")
def test_a_published_run_at_a_smaller_budget_says_what_was_not_kept(tmp_path: Path) -> None:
    """Values are those of the study; candidates and their number are unknown, on disk and in tables too."""
    study, unit = Study(tmp_path / "study"), Unit()
    unit.works = True
    plans = [replace(PLAN, seed=seed) for seed in range(2)]
    execute(plans, study, unit)
    publish(study, tmp_path / "published")
    for (whole, full), (again, kept) in zip(
        study.records(), PublishedStudy(tmp_path / "published").records(), strict=True
    ):
        here, _ = whole.at_budget(full, 7)
        there, part = again.at_budget(kept, 7)
        assert there.final == here.final
        assert there.distinct is None
        assert np.isnan(run_row(there, part, 7)["distinct"])  # type: ignore[call-overload]
        assert RunRecord.from_json(there.to_json()) == there
        best_is_kept = bool((kept.candidates >= 0).any())
        assert there.recommended == (here.recommended if best_is_kept else ())


@given(VALUES)
def test_improvements_are_the_queries_at_which_the_best_value_rose(values: list[float]) -> None:
    best, expected = -np.inf, []
    for i, value in enumerate(values):
        if value > best:
            best = value
            expected.append(i)
    assert improvements(np.array(values)).tolist() == expected
    assert improvements(np.empty(0)).tolist() == []
