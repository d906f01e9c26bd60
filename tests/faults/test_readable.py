"""Whatever is accepted for writing is read back equal; what is not is refused before the run begins."""

import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amb import FunctionProblem, Space
from amb.errors import SpecError, StudyError
from amb.run.execute import execute
from amb.study.journal import Journal, read_journal
from amb.study.recording import MOST_CHARACTERS, MOST_NEURONS, Recording
from amb.study.runs import KEPT_MESSAGE, LARGEST_COUNT, LONGEST_NAME, RunPlan, RunRecord, Trace
from amb.study.study import Study
from amb.study.traces import check_size, read_run, write_run

SPACE = Space.uniform(4, 16)
PLAN = RunPlan("p/q/r/0", "print", "random[k=5]", "1", 0, 20)
RECORD = RunRecord(PLAN, "crash", 0, 0, (), np.nan, 0.0, 0.0, 0.0)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ODD_FLOATS = st.floats(allow_nan=True, allow_infinity=True)
LIMITS = st.sampled_from([1, 2**32 - 1, 2**32, LARGEST_COUNT, LARGEST_COUNT + 1, 0, -1])
USUAL: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("seed", "budget"), st.sampled_from([3, 5, 7, 100])),
    **dict.fromkeys(("problem", "solver", "message"), TEXTS),
    **dict.fromkeys(("seconds", "values", "clean"), st.floats(0, 1e9)),
    "shape": st.sampled_from([(0, 3), (1, 1), (3, 2)]),
    "level": st.sampled_from([0, 1, 5, 63]),
    "final": st.none(),  # what belongs to the trace
}
"""What is accepted."""
# A cheap array of one query has as many dimensions as a candidate may.
ODD: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("seed", "budget"), LIMITS),
    **dict.fromkeys(("problem", "solver"), st.sampled_from(["x" * 4096, "x" * 4097, "\ud800"])),
    "message": st.one_of(st.text(st.characters(exclude_categories=()), max_size=8), st.just("é" * 5_000_000)),
    **dict.fromkeys(("seconds", "values", "clean", "final"), ODD_FLOATS),
    "shape": st.sampled_from([(1, 1 << 16), (1, (1 << 16) + 1)]),
    "level": st.sampled_from([(1 << 16) - 1, 1 << 16, -1]),
}
"""Values around every limit, of which a record gets one or none, so that many records are accepted."""


def same(a: object, b: object) -> bool:
    return a == b or (a != a and b != b)


@settings(max_examples=150, deadline=None)
@given(
    usual=st.fixed_dictionaries(USUAL),
    odd=st.one_of(st.just({}), *(st.fixed_dictionaries({name: values}) for name, values in ODD.items())),
    recommend=st.booleans(),
)
def write_and_read(root, accepted, usual, odd, recommend) -> None:  # type: ignore[no-untyped-def]
    drawn = SimpleNamespace(**{**usual, **odd})
    n, d = drawn.shape
    trace = Trace(
        np.full((n, d), drawn.level, np.int64), np.full(n, drawn.values), np.full(n, drawn.clean), np.ones(n, np.int64)
    )
    own = np.nan if not recommend else drawn.clean if n else 0.5
    record = RunRecord(
        RunPlan(drawn.problem, "print", drawn.solver, "1", drawn.seed, drawn.budget),
        "ok" if n == drawn.budget else "crash", n, min(n, 1), (drawn.level,) * d if recommend else (),
        own if drawn.final is None else drawn.final, drawn.seconds, 0.0, 0.0, message=drawn.message,
    )  # fmt: skip
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        path = folder / f"{record.plan.run_id}.parquet"
        write_run(path, record, trace)
    except (StudyError, UnicodeEncodeError):
        assert not list(folder.iterdir())
        return
    accepted.append(n)
    back, rows = read_run(path)
    assert all(same(getattr(back, name), getattr(record, name)) for name in record.__dataclass_fields__)
    for name in ("candidates", "values", "clean", "batches"):
        assert np.array_equal(getattr(rows, name), getattr(trace, name), equal_nan=True)


def test_what_the_writer_accepts_the_reader_returns_equal(tmp_path: Path) -> None:
    accepted: list[int] = []
    write_and_read(tmp_path, accepted)
    assert len(accepted) >= 10, "too few records were accepted to prove anything"
    assert len(set(accepted)) > 1


@pytest.mark.parametrize("length", [KEPT_MESSAGE, KEPT_MESSAGE + 1, 5_000_000])
def test_a_message_of_megabytes_is_shortened_on_entry(length: int) -> None:
    record = replace(RECORD, status="crash", message="x" * length + "\nValueError: the end")
    assert len(record.message) <= KEPT_MESSAGE
    assert record.reason == "ValueError: the end"
    assert len(replace(RECORD, status="crash", message="x" * length).reason) <= 1000
    assert replace(RECORD, message="half \ud800").message == "half \\ud800"
    assert np.isnan(replace(RECORD, final=np.inf).final)


def test_a_run_with_infinite_values_and_a_huge_message_is_stored_once(tmp_path: Path) -> None:
    """Such runs were written, then refused, and repeated by every later command."""

    def infinite(spec: str) -> FunctionProblem:
        return FunctionProblem(lambda rows: np.where(rows[:, 0] > 7, np.inf, 1.0), SPACE, id=spec)

    def raising(spec: str) -> FunctionProblem:
        def respond(rows: np.ndarray) -> np.ndarray:
            raise ValueError("word" * 1_500_000)

        return FunctionProblem(respond, SPACE, id=spec)

    for name, problem in (("a", infinite), ("b", raising)):
        study = Study(tmp_path / name)
        execute([PLAN], study, problem)
        before = study.run_file(PLAN.run_id).stat().st_mtime_ns
        record, trace = study.load(PLAN) or pytest.fail("it is not stored")
        assert not np.isinf(trace.clean).any()
        assert len(record.message) <= KEPT_MESSAGE
        execute([PLAN], study, problem)
        assert study.run_file(PLAN.run_id).stat().st_mtime_ns == before


@pytest.mark.parametrize("change", [{"seed": LARGEST_COUNT + 1}, {"solver": "x" * 5000}, {"problem": "\ud800"}])
def test_a_plan_that_cannot_be_stored_is_refused_before_anything_runs(tmp_path: Path, change: dict) -> None:
    with pytest.raises(SpecError, match="cannot be stored"):
        execute([replace(PLAN, **change)], Study(tmp_path), lambda spec: pytest.fail("it began"))


@pytest.mark.parametrize(("d", "levels", "queries"), [(65_537, 2, 1), (2, 65_537, 1), (32, 64, 10_000_000)])
def test_a_space_or_a_budget_beyond_the_limits_is_refused(d: int, levels: int, queries: int) -> None:
    with pytest.raises(ValueError, match="limit"):
        check_size(d, levels, queries)


@pytest.mark.parametrize(("d", "levels"), [(2, 65_537), (1, 10**9), (10**6, 64), (65_536, 4096)])
def test_a_space_that_cannot_be_stored_or_held_is_refused_before_it_is_made(d: int, levels: int) -> None:
    """Beyond 16 bits, levels would wrap around in silence."""
    with pytest.raises(SpecError, match=r"too many|must be at most 65,536"):
        Space.uniform(d, levels)


def test_the_largest_recording_is_read_again(tmp_path: Path) -> None:
    """Journals of 1,962 neurons were longer in their first line than any reader took: their queries were lost."""
    largest = MOST_CHARACTERS // MOST_NEURONS
    ids = tuple(f"{number:04}".ljust(largest, "\N{BRAIN}") for number in range(MOST_NEURONS))
    fingerprints = ("\N{BRAIN}" * largest,) * MOST_NEURONS
    longest = "\N{BRAIN}" * LONGEST_NAME
    plan = RunPlan(ids[0], fingerprints[0], longest, longest, 0, 8, recording=Recording(ids, fingerprints, "learn"))
    plan.check()
    rows = np.zeros((2, 3), np.int64), np.ones(2), np.ones(2)
    with Journal(tmp_path / "run.journal", 3, plan=plan) as journal:
        journal.append(*rows)
    content = read_journal(tmp_path / "run.journal")
    assert content is not None
    assert (content.plan, len(content.known.trace), content.whole) == (plan, 2, True)
    trace = Trace(*rows, np.array([2]))
    record = RunRecord(plan, "crash", 2, 1, (), np.nan, 0.0, 0.0, 0.0)
    write_run(tmp_path / f"{plan.run_id}.parquet", record, trace)
    assert read_run(tmp_path / f"{plan.run_id}.parquet")[0].plan == plan
    larger = replace(plan.recording, fingerprints=(*fingerprints[1:], fingerprints[0] + "a"))  # type: ignore[type-var]
    with pytest.raises(ValueError, match="fingerprints of the recording have 1,048,577 characters in all; at most"):
        replace(plan, recording=larger).check()
