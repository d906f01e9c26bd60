"""What reading a run that a small file unfolds to takes: its candidates once; if published, those that are kept."""

import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from amb.errors import StudyError
from amb.study import runs, tables
from amb.study.compact import compact
from amb.study.health import examine, examine_published
from amb.study.journal import Journal, read_journal
from amb.study.manifest import Manifest, manifest_text
from amb.study.merge import merge
from amb.study.own_files import PUBLISHED_RUNS
from amb.study.published import SCHEMA, PublishedStudy, publish
from amb.study.runs import RunPlan, RunRecord, Trace, distinct, row_keys
from amb.study.study import Study
from amb.study.tables import table_bytes, write_table
from amb.study.traces import read_run, to_batch

QUERIES, D = 500, 8192
CANDIDATES = QUERIES * D * 8
"""Bytes of a trace's candidates."""


def record_of(seed: int, queries: int = QUERIES) -> RunRecord:
    plan = RunPlan("p/q/r/0", "print", "random", "1", seed, queries)
    return RunRecord(plan, "ok", queries, 1, (0,) * D, 0.5, 1.0, 1.0, 1.0)


def trace_of(queries: int = QUERIES) -> Trace:
    """All queries ask for the recommended candidate."""
    values = np.full(queries, 0.5)
    return Trace(np.zeros((queries, D), np.int64), values, values.copy(), np.array([queries]))


def study_of(folder: Path, *seeds: int) -> Study:
    study = Study(folder)
    study.rewrite_manifest(lambda _: Manifest())
    for seed in seeds:
        study.save(record_of(seed), trace_of())
    return study


def peak(action: Callable[[], object]) -> float:
    """Memory that an action takes, as a multiple of a trace's candidates; that of Arrow does not count."""
    gc.collect()
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1] / CANDIDATES
    finally:
        tracemalloc.stop()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "AT_ONCE", D * 10)


def test_reading_runs_takes_their_candidates_once(tmp_path: Path) -> None:
    study = study_of(tmp_path, 0, 1, 2)
    assert peak(lambda: read_run(study.run_files()[0])) < 1.3
    assert peak(lambda: examine(study)) < 1.3, "the trace before is kept while the next is read"
    assert peak(lambda: list(study.compact_records())) < 1.3
    assert peak(lambda: publish(study, tmp_path / "published")) < 1.3
    trace = trace_of()
    assert peak(lambda: compact(trace)) < 0.3
    assert peak(lambda: distinct(trace.candidates)) < 0.3


def test_merging_takes_the_two_copies_that_it_compares(tmp_path: Path) -> None:
    for name in "abc":
        study_of(tmp_path / name, 0, 1)
    assert peak(lambda: merge(tmp_path / "all", [tmp_path / name for name in "abc"])) < 2.5


@pytest.mark.parametrize("batch", [1, 10])
def test_reading_a_journal_takes_its_candidates_and_its_bytes(tmp_path: Path, batch: int) -> None:
    with Journal(tmp_path / "run.journal", D) as journal:
        for _ in range(QUERIES // batch):
            part = trace_of(batch)
            journal.append(part.candidates, part.values, part.clean)
    assert peak(lambda: read_journal(tmp_path / "run.journal")) < 1.4


def test_candidates_that_a_published_study_did_not_keep_take_no_memory(tmp_path: Path) -> None:
    """A file of 5 kB took 4 GB."""
    rows = [
        {
            "key": record.plan.run_id,
            "record": replace(record, distinct=None, recommended=(), final=float("nan")).to_json(),
            "modes": D,
            "batches": [QUERIES],
            "values": [0.5] * QUERIES,
            "clean": None,
            "rows": [0] if kept else [],
            "candidates": [0] * D if kept else [],
        }
        for kept, record in enumerate(map(record_of, (0, 1)))
    ]
    (tmp_path / "manifest.json").write_bytes(manifest_text(Manifest()))
    (tmp_path / PUBLISHED_RUNS).write_bytes(table_bytes(pa.Table.from_pylist(rows, schema=SCHEMA)))
    assert (tmp_path / PUBLISHED_RUNS).stat().st_size < 10_000
    study = PublishedStudy(tmp_path)
    assert all("failed (no activation)" in finding.what for finding in examine_published(study))
    assert peak(lambda: examine_published(PublishedStudy(tmp_path))) < 0.1
    plans = [record_of(seed).plan for seed in (0, 1)]
    assert peak(lambda: [study.load_compact(plan) for plan in plans]) < 0.1
    unknown, known = ((study.load(plan), study.load_compact(plan)) for plan in plans)
    for (whole, small), first in ((unknown, -1), (known, 0)):
        assert whole is not None
        assert small is not None
        assert whole[1].candidates.shape == (QUERIES, D)
        assert [set(rows.ravel()) for rows in np.split(whole[1].candidates, [1])] == [{first}, {-1}]
        assert small[1].candidates[:, 0].tolist() == [first] + [-1] * (QUERIES - 1)


def test_a_large_table_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrow takes five times the memory of a column of lists that it reads as one."""
    study = study_of(tmp_path / "study", 0)
    (path,) = study.run_files()
    publish(study, tmp_path / "published")
    (whole,) = study.records()
    (kept,) = PublishedStudy(tmp_path / "published").records()
    monkeypatch.setattr(tables, "READ_AT_ONCE", 1 << 20)
    pool, usual = pa.proxy_memory_pool(pa.default_memory_pool()), pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        again = read_run(path)
    finally:
        pa.set_memory_pool(usual)
    assert pool.max_memory() < 0.75 * CANDIDATES, "a quarter is the table itself"
    monkeypatch.setattr(tables, "READ_AT_ONCE", 1)
    for one, other in ((whole, again), (kept, next(PublishedStudy(tmp_path / "published").records()))):
        assert one[0] == other[0]
        for name in ("candidates", "values", "clean", "batches"):
            np.testing.assert_array_equal(getattr(one[1], name), getattr(other[1], name))


def test_the_final_value_is_checked_in_all_parts_of_a_trace() -> None:
    trace = trace_of()
    trace.candidates[:-1, -1] = 1
    trace.clean[-1] = 0.25
    with pytest.raises(ValueError, match=r"the candidate was measured as 0\.25"):
        replace(record_of(0), distinct=2).check(trace)


def test_wide_candidates_are_told_apart() -> None:
    candidates = np.zeros((40, D), np.int64)
    candidates[range(40), np.arange(40) % 20] = 1
    assert distinct(candidates) == 20
    assert max(map(len, row_keys(candidates))) == 16
    assert compact(replace(trace_of(40), candidates=candidates)).candidates[:, 0].tolist() == [*range(20)] * 2


def test_a_run_that_lacks_candidates_is_refused(tmp_path: Path) -> None:
    (path,) = study_of(tmp_path, 0).run_files()
    metadata = tables.pq.read_schema(path).metadata
    batch = to_batch(np.zeros((QUERIES, D), np.int64), *[np.full(QUERIES, 0.5)] * 2)
    flat = pa.array([None] + [0] * (QUERIES * D - 1), pa.uint16())
    lacking = batch.set_column(0, batch.schema.field(0), pa.FixedSizeListArray.from_arrays(flat, D))
    write_table(path, pa.Table.from_batches([lacking]).replace_schema_metadata(metadata))
    with pytest.raises(StudyError, match="candidates are missing"):
        read_run(path)
