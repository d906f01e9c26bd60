"""A journal of lone queries, which is read as one array, says exactly what reading frame by frame says."""

import json
import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amb.errors import StudyError
from amb.study import journal as module
from amb.study.journal import Journal, read_journal, read_journal_and_ending
from amb.study.runs import Known, RunPlan, RunRecord, Seconds, Trace
from amb.study.study import Study
from amb.study.traces import read_record, read_run, to_batch, trace_schema

D, QUERIES = 3, 6


def written(path: Path, batches: tuple[int, ...], continues: tuple[int, ...] = ()) -> bytes:
    rng = np.random.default_rng(0)
    with Journal(path, D) as journal:
        for number, size in enumerate(batches):
            values = rng.random(size)
            values[0] = [0.5, np.nan, np.inf][number % 3]
            seconds = Seconds(number + 0.1, number + 0.2, number + 0.3)
            rows = rng.integers(0, 64, (size, D)), values, values + 1
            journal.append(*rows, seconds, continues=number in continues)
    return path.read_bytes()


def read_both_ways(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the journal holds, read as one array where that is possible, and frame by frame."""
    found: list[object] = []
    for _ in range(2):
        content = read_journal(path)
        if content is None:
            found.append(None)
        else:
            trace = content.known.trace
            columns = (trace.candidates, trace.values, trace.clean, trace.batches)
            found.append(([(c.dtype, c.shape, c.tobytes()) for c in columns], content.known.seconds, content.ending))
        monkeypatch.setattr(module, "_lone_queries", lambda *_: None)
    monkeypatch.undo()
    return found


@pytest.mark.parametrize(
    ("batches", "continues"), [((1,) * QUERIES, ()), ((1, 2, 1), ()), ((1, 1, 1), (1,)), ((2,), ())]
)
def test_whole_journals_are_read_alike(
    batches: tuple[int, ...], continues: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.journal"
    written(path, batches, continues)
    once, again = read_both_ways(path, monkeypatch)
    assert once is not None
    assert once == again


def test_torn_and_damaged_journals_are_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.journal"
    content = written(path, (1,) * QUERIES)
    first = content.index(b"\n") + 1
    for place in range(first, len(content)):
        for damaged in (content[:place], content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]):
            path.write_bytes(damaged)
            once, again = read_both_ways(path, monkeypatch)
            assert once == again, place
            if place >= first + (len(content) - first) // QUERIES:
                assert once is not None  # what was written before the damage is kept


@pytest.mark.parametrize("batches", [(1,) * QUERIES, (1, 2, 1)])
def test_a_journal_says_whether_a_write_was_cut_short_or_bytes_have_changed(
    batches: tuple[int, ...], tmp_path: Path
) -> None:
    path = tmp_path / "run.journal"
    content = written(path, batches)
    first = content.index(b"\n") + 1
    ends = [len(written(path, batches[:number])) for number in range(len(batches) + 1)]
    for cut in range(first, len(content) + 1):
        path.write_bytes(content[:cut])
        found, ending = read_journal_and_ending(path)
        assert ending == ("whole" if cut in ends else "torn"), cut
        assert found is None or found.ending == ending
    for place in range(first, ends[1]):  # the first frame, before others and alone
        for length in (len(content), ends[1]):
            changed = bytearray(content[:length])
            changed[place] ^= 1
            path.write_bytes(changed)
            assert read_journal_and_ending(path) == (None, "changed")
    for place in (*range(first), None):  # a first line that is not a journal's, or is cut short
        path.write_bytes(content[: first - 1] if place is None else content[:place] + b"\xff" + content[place + 1 :])
        assert read_journal_and_ending(path) == (None, "changed")
    path.write_bytes(b"")
    assert read_journal_and_ending(path) == (None, "torn")
    path.unlink()
    assert read_journal_and_ending(path) == (None, "whole")


PLAN = RunPlan("toy/bowl/near/0", "print", "random", "1", 0, 10)


@pytest.mark.parametrize("frame", [0, 1, 2])
@pytest.mark.parametrize("change", ["torn", "changed"])
def test_recovery_keeps_what_is_before_the_fault_and_copies_only_what_has_changed(
    frame: int, change: str, tmp_path: Path
) -> None:
    """A write that was cut short holds nothing else; a journal whose bytes have changed may be mended by its owner."""
    study, path = Study(tmp_path), Study(tmp_path).journal_file(PLAN.run_id)
    values = np.array([0.1, 0.2, 0.3])
    trace = Trace(np.arange(9).reshape(3, D), values, values, np.ones(3, np.int64))
    ends = []
    for rows in range(4):
        study.journal(PLAN, D, Known(trace.first(rows))).close()
        ends.append(path.stat().st_size)
    left = bytearray(path.read_bytes())
    left[ends[frame + 1] - 1] ^= 1
    path.write_bytes(left if change == "changed" else left[: ends[frame + 1] - 1])
    before = path.read_bytes()
    known = study.unfinished(PLAN)
    assert (known.trace.values.tolist() if known else []) == values[:frame].tolist()
    kept = list((tmp_path / "damaged").iterdir()) if (tmp_path / "damaged").exists() else []
    assert [copy.read_bytes() for copy in kept] == ([before] if change == "changed" else [])
    assert path.exists() == (change == "torn" or frame > 0)


def written_by_0_1(path: Path, value: float, seconds: list[object]) -> None:
    """A journal of version 0.1 with the right checksums: two batches, the second with these."""
    schema = trace_schema(D).with_metadata({"amb.plan": json.dumps(asdict(PLAN))})
    with path.open("wb") as file, pa.ipc.new_stream(file, schema) as stream:
        for number, spent in ((0.5, [0.1, 0.2, 0.3]), (value, seconds)):
            note = json.dumps([*spent, False]).encode()
            batch = to_batch(np.zeros((2, D), np.int64), np.full(2, number), np.full(2, number))
            total = zlib.crc32(note)
            for column in (batch.column(0).flatten(), batch.column(1), batch.column(2)):
                total = zlib.crc32(column.to_numpy(), total)
            stream.write_batch(batch, custom_metadata={"amb.note": note, "amb.crc32": str(total)})


@pytest.mark.parametrize("value", [np.inf, -1e308, np.nan])
def test_a_value_that_nothing_can_store_is_a_failed_query_in_every_journal(tmp_path: Path, value: float) -> None:
    """A journal of version 0.1 with an infinite value kept its run from ever being finished."""
    written_by_0_1(tmp_path / "run.arrows", value, [1.0, 2, 3.0])
    with Journal(tmp_path / "run.journal", D) as journal:
        journal.append(np.zeros((2, D), np.int64), np.full(2, 0.5), np.full(2, 0.5))
        journal.append(np.zeros((2, D), np.int64), np.full(2, value), np.full(2, value))
    with Journal(tmp_path / "lone.journal", D) as journal:
        for number in (0.5, 0.5, value, value):
            journal.append(np.zeros((1, D), np.int64), np.full(1, number), np.full(1, number))
    for path in sorted(tmp_path.iterdir()):
        content = read_journal(path)
        assert content is not None
        assert content.whole
        for column in (content.known.trace.values, content.known.trace.clean):
            assert np.array_equal(column, [0.5, 0.5, np.nan, np.nan], equal_nan=True)


@pytest.mark.parametrize("part", [10**400, 1e308, -1.0, np.inf, "1", None, True], ids=lambda part: str(part)[:9])
def test_seconds_that_no_run_has_taken_end_a_journal(tmp_path: Path, part: object) -> None:
    written_by_0_1(tmp_path / "run.arrows", 0.5, [1.0, part, 3.0])
    if isinstance(part, float):
        for name, size in (("run", 2), ("lone", 1)):
            with Journal(tmp_path / f"{name}.journal", D) as journal:
                for spent in (Seconds(0.1, 0.2, 0.3), Seconds(1.0, part, 3.0)):
                    journal.append(np.zeros((size, D), np.int64), np.full(size, 0.5), np.full(size, 0.5), spent)
    for path in sorted(tmp_path.iterdir()):
        content = read_journal(path)
        assert content is not None
        assert not content.whole
        assert content.known.seconds == Seconds(0.1, 0.2, 0.3)
    written_by_0_1(tmp_path / "run.arrows", 0.5, [1.0, 2.0, 3.0, 4.0])
    content = read_journal(tmp_path / "run.arrows")
    assert content is not None
    assert not content.whole


@pytest.mark.parametrize("part", [10**400, 1e308, -1.0], ids=lambda part: str(part)[:9])
def test_a_record_with_seconds_that_no_run_has_taken_is_damaged_for_every_reader(tmp_path: Path, part: float) -> None:
    study = Study(tmp_path)
    n = PLAN.budget
    trace = Trace(np.zeros((n, D), np.int64), np.full(n, 0.5), np.full(n, 0.5), np.array([n]))
    study.save(RunRecord(PLAN, "ok", n, 1, (0,) * D, 0.5, 1.0, 2.0, 3.0), trace)
    path = study.run_file(PLAN.run_id)
    table = pq.read_table(path)
    record = json.loads(table.schema.metadata[b"amb.record"]) | {"target_seconds": part}
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"amb.record": json.dumps(record)}), path)
    assert read_record(path) is None
    with pytest.raises(StudyError, match="target_seconds"):
        read_run(path)
