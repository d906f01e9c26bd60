import dataclasses
import json
from io import FileIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amb.errors import StudyError
from amb.study.health import examine, repair, study_status
from amb.study.journal import Journal, read_journal
from amb.study.manifest import Settings
from amb.study.published import open_study
from amb.study.runs import Known, RunPlan, RunRecord, Trace
from amb.study.study import Study

PLAN = RunPlan("toy/bowl/near/0", "print", "random", "1", 0, 10)


def trace_of(sizes: list[int], d: int = 3, seed: int = 0) -> Trace:
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    values = rng.random(n)
    values[::5] = np.nan
    return Trace(rng.integers(0, 512, (n, d)), values, rng.random(n), np.array(sizes, dtype=np.int64))


def record_of(trace: Trace, plan: RunPlan = PLAN) -> RunRecord:
    n = len(trace)
    final = np.nan_to_num(trace.clean[1], nan=0.5).item()
    return RunRecord(plan, "ok", n, n, tuple(trace.candidates[1].tolist()), final, 1.0, 2.0, 3.0)


def same(one: Trace, other: Trace) -> bool:
    return all(
        np.array_equal(getattr(one, f.name), getattr(other, f.name), equal_nan=f.name in ("values", "clean"))
        for f in dataclasses.fields(Trace)
    )


def test_a_run_reads_back_bit_for_bit(tmp_path: Path) -> None:
    study, trace = Study(tmp_path), trace_of([4, 4, 2])
    study.save(record_of(trace), trace)
    loaded = Study(tmp_path).load(PLAN)
    assert loaded is not None
    assert loaded[0] == record_of(trace)
    assert same(loaded[1], trace)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.data())
def test_a_journal_torn_anywhere_keeps_its_whole_batches(sizes: list[int], data: st.DataObject) -> None:
    """Whatever byte the last write stopped at, what comes back is a prefix of whole batches."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path, trace = Path(folder) / "j.journal", trace_of(sizes)
        Journal(path, 3, Known(trace)).close()
        content = path.read_bytes()
        cut = data.draw(st.integers(0, len(content)))
        path.write_bytes(content[:cut])
        back = read_journal(path)
        if back is None:
            return
        left = back.known.trace
        n = len(left.batches)
        assert left.batches.tolist() == sizes[:n]
        assert np.array_equal(left.candidates, trace.candidates[: len(left)])
        assert np.array_equal(left.values, trace.values[: len(left)], equal_nan=True)


def test_a_batch_is_on_disk_as_soon_as_append_returns(tmp_path: Path) -> None:
    trace = trace_of([2])
    with Journal(tmp_path / "j.journal", 3) as journal:
        journal.append(trace.candidates, trace.values, trace.clean)
        back = read_journal(tmp_path / "j.journal")
    assert back is not None
    assert same(back.known.trace, trace)


def test_a_batch_is_whole_where_the_system_takes_a_part_of_it_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from a disk that is nearly full, or interrupted by a signal."""

    class Reluctant(FileIO):
        def write(self, content: bytes) -> int:  # type: ignore[override]
            return super().write(content[:7])

    monkeypatch.setattr(Path, "open", lambda path, mode, buffering: Reluctant(path, mode))
    trace = trace_of([2, 3])
    with Journal(tmp_path / "j.journal", 3, Known(trace.first(2))) as journal:
        journal.append(*trace.rows(2, 5))
        assert same(journal.trace(), trace)


def test_a_folder_that_is_moved_meanwhile_is_to_be_put_back(tmp_path: Path) -> None:
    """The same command would begin anew in a new folder, so it must not be promised to resume."""
    study = Study(tmp_path / "st")
    (tmp_path / "st").rename(tmp_path / "moved")
    with pytest.raises(StudyError, match="was moved, deleted or replaced meanwhile: put it back"):
        Journal(study.journal_file("a"), 3)


def test_a_longer_run_answers_for_a_shorter_plan(tmp_path: Path) -> None:
    study, trace = Study(tmp_path), trace_of([4, 4, 2])
    study.save(record_of(trace), trace)
    loaded = study.load(dataclasses.replace(PLAN, budget=6))
    assert loaded is not None
    record, short = loaded
    assert (record.queries, record.plan.budget, short.batches.tolist()) == (6, 6, [4, 2])
    best = int(np.nanargmax(trace.values[:6]))
    assert record.final == trace.clean[best]
    assert record.recommended == tuple(trace.candidates[best])


def test_the_budget_is_in_the_key_only_where_it_changes_what_is_asked() -> None:
    longer = dataclasses.replace(PLAN, budget=99)
    assert longer.run_id == PLAN.run_id
    assert dataclasses.replace(longer, anytime=False).run_id != dataclasses.replace(PLAN, anytime=False).run_id
    for change in (
        {"problem": "x"},
        {"fingerprint": "y"},
        {"solver": "z"},
        {"version": "2"},
        {"seed": 1},
    ):
        assert dataclasses.replace(PLAN, **change).run_id != PLAN.run_id  # type: ignore[arg-type]


def test_every_run_has_its_own_stream() -> None:
    plans = [dataclasses.replace(PLAN, problem=p, solver=s, seed=r) for p in "abc" for s in "xyz" for r in range(20)]
    assert len({plan.stream for plan in plans}) == len(plans)
    assert PLAN.seed == dataclasses.replace(PLAN, budget=3).seed


@pytest.mark.parametrize("byte", [50, 120, 300])
def test_a_damaged_run_file_is_named(tmp_path: Path, byte: int) -> None:
    study, trace = Study(tmp_path), trace_of([5, 5])
    study.save(record_of(trace), trace)
    file = tmp_path / "runs" / f"{PLAN.run_id}.parquet"
    content = bytearray(file.read_bytes())
    content[byte] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(StudyError, match=PLAN.run_id):
        study.load(PLAN)


def test_a_run_under_another_name_is_refused(tmp_path: Path) -> None:
    study, trace = Study(tmp_path), trace_of([10])
    study.save(record_of(trace), trace)
    other = dataclasses.replace(PLAN, seed=7)
    (tmp_path / "runs" / f"{PLAN.run_id}.parquet").rename(tmp_path / "runs" / f"{other.run_id}.parquet")
    with pytest.raises(StudyError, match="contradicts"):
        study.load(other)


def test_unwritable_places_are_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="choose another folder"):
        Study(tmp_path / "file" / "study")


def test_the_manifest_tells_versions_problems_and_settings(tmp_path: Path) -> None:
    study = Study(tmp_path)
    study.describe([PLAN], Settings(budget=10))
    study.describe([dataclasses.replace(PLAN, solver="tt-b")], Settings(budget=20))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["problems"] == {"toy/bowl/near/0": "print"}
    assert manifest["solvers"] == {"random": "1", "tt-b": "1"}
    assert manifest["settings"] == {"budget": 20}
    assert manifest["environment"]["packages"]["numpy"] == np.__version__


@pytest.mark.parametrize("content", ["{", '{"schema": 99}', "[1]"])
def test_a_foreign_manifest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(StudyError):
        Study(tmp_path)


def test_no_reader_executes_or_trusts_foreign_bytes(tmp_path: Path) -> None:
    """An Arrow stream of another schema is not a journal, under the suffix of either format."""
    path = tmp_path / "j.arrows"
    with pa.ipc.new_stream(path.open("wb"), pa.schema([("x", pa.int8())])) as writer:
        writer.write_batch(pa.record_batch({"x": pa.array([1], pa.int8())}))
    assert read_journal(path) is None
    assert read_journal(path.rename(tmp_path / "j.journal")) is None


def test_a_journal_of_another_run_is_set_aside_not_believed(tmp_path: Path) -> None:
    """Two journals whose names were exchanged gave each run the other neuron's responses."""
    study, trace = Study(tmp_path), trace_of([2])
    other = dataclasses.replace(PLAN, seed=1)
    study.journal(other, 3, Known(trace)).close()
    study.journal_file(other.run_id).rename(study.journal_file(PLAN.run_id))
    named = study.journal_file(PLAN.run_id)
    assert [finding.repair for finding in examine(study) if finding.path == named] == ["set aside"]
    assert study.unfinished(PLAN) is None
    assert [path.name for path in (tmp_path / "damaged").iterdir()] == [named.name]


def test_a_study_that_is_read_stays_as_it_is(tmp_path: Path) -> None:
    """A copy may lack the folders that were empty, and lie where nothing can be written."""
    trace = trace_of([4, 6])
    written = Study(tmp_path)
    written.save(record_of(trace), trace)
    written.describe([PLAN], Settings())
    for name in ("journal", "report"):
        (tmp_path / name).rmdir()
    before = sorted(tmp_path.rglob("*"))
    study = open_study(tmp_path)
    assert isinstance(study, Study)
    assert study_status(study).finished == 1
    assert examine(study) == []
    assert [record.plan for record, _ in study.records()] == [PLAN]
    assert sorted(tmp_path.rglob("*")) == before

    run = study.run_file(PLAN.run_id)
    run.write_bytes(run.read_bytes()[:-9])
    assert repair(study, examine(study)) == 1
    assert (tmp_path / "damaged" / run.name).is_file()


def test_a_log_with_a_number_beyond_all_floats_is_read(tmp_path: Path) -> None:
    """Whatever stands in the log of a study from elsewhere, its state can be seen."""
    study = Study(tmp_path)
    study.describe([PLAN], Settings())
    huge = "1" + "0" * 400
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write(f'{{"time":"2026-11-30T08:00:00+00:00","level":"info","event":"progress","rate":{huge},"left":3}}\n')
    assert study_status(study).finished == 0


def test_a_study_whose_runs_are_away_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    """A copy that was interrupted, or a share that is not there."""
    study = Study(tmp_path)
    study.describe([PLAN], Settings())
    (tmp_path / "runs").rmdir()
    assert ["the folder is missing" in finding.what for finding in examine(open_study(tmp_path))] == [True]
    for use in (study_status, lambda found: list(found.records()), lambda found: list(found.compact_records())):
        with pytest.raises(StudyError, match="has no folder runs"):
            use(open_study(tmp_path))
