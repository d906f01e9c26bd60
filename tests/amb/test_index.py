"""The index of a study's runs never changes an answer: whatever happens to it or to the files, they decide."""

import gc
import os
import shutil
import threading
import time
import warnings
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec import structs

from amb import file_identity
from amb.clock import CLOCK
from amb.run.execute import is_finished
from amb.run.progress import NoProgress
from amb.run.watch import Watch
from amb.study import index
from amb.study.compact import _DECODER, compact, pack, unpack
from amb.study.health import study_status
from amb.study.manifest import Settings
from amb.study.published import open_study
from amb.study.runs import RunPlan, RunRecord, Status, Trace, distinct
from amb.study.study import Study

PLANS = [RunPlan("p/q/r/0", "print", "random", "1", seed, 4) for seed in range(6)]
OUTCOMES: list[tuple[Status, float]] = [
    ("ok", 1.0), ("crash", 1.0), ("ok", np.nan), ("timeout", np.nan), ("ok", 0.5), ("ok", 0.25)
]  # fmt: skip


def save(study: Study, plan: RunPlan, status: Status = "ok", final: float = 1.0, *, timing: bool = False) -> None:
    values = np.array([0.0, 0.25, 0.5, 1.0])
    trace = Trace(np.arange(8).reshape(4, 2), values, values, np.array([4]))
    recommended = () if np.isnan(final) else tuple(trace.candidates[values == final][0].tolist())
    study.save(RunRecord(plan, status, 4, 4, recommended, final, 0.0, 0.0, 0.0, timing=timing), trace)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study of six runs with its index."""
    monkeypatch.setattr(file_identity, "SETTLED_SECONDS", -1.0)
    study = Study(tmp_path / "study")
    study.describe(PLANS, Settings())
    for number, (plan, (status, final)) in enumerate(zip(PLANS, OUTCOMES, strict=True)):
        save(study, plan, status, final, timing=number % 2 == 0)
    answers(study.folder)
    study = Study(study.folder)
    assert all(study.index.find(study.run_file(plan.run_id)) for plan in PLANS)
    return study.folder


def answers(folder: Path) -> list[object]:
    """What a start, the status, tables and pages say; the index is written again."""
    study = Study(folder)
    watch = Watch(NoProgress(), study.log)
    found: list[object] = [
        is_finished(study, replace(plan, budget=budget), timing=timing, retry=retry, watch=watch)
        for plan in PLANS
        for budget in (3, 4, 5)
        for timing in (False, True)
        for retry in (False, True)
    ]
    study.index.save()
    state = study_status(study)
    tables = [shown(study.load_compact(replace(plan, budget=budget))) for plan in PLANS for budget in (3, 4)]
    study.index.save()
    pages = [shown(run) for run in study.compact_records()]
    return [*found, state.finished, [repr(record) for record in state.failed], tables, pages]


def shown(run: tuple[RunRecord, Trace] | None) -> object:
    """A run as something that equals itself, although it may hold NaN."""
    if run is None:
        return None
    record, trace = run
    return record.to_json(), [column.tobytes() for column in (trace.candidates, *vars(trace).values())]


def without_index(folder: Path) -> list[object]:
    """The same from the run files alone, in a copy."""
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(index.NAME))
    found = answers(copy)
    shutil.rmtree(copy)
    return found


def rewrite(folder: Path) -> None:
    save(Study(folder), PLANS[0], "crash", np.nan)


def overwrite_in_place(folder: Path) -> None:
    """Of the same size, with the old times."""
    path = Study(folder).run_file(PLANS[0].run_id)
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    time.sleep(0.02)
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def swap(folder: Path) -> None:
    """The index of a different study."""
    other = folder.with_name("other")
    for plan in PLANS:
        save(Study(other), plan, "crash", np.nan)
    answers(other)
    shutil.copy(other / index.NAME, folder / index.NAME)


def claim_success(folder: Path) -> None:
    """An index with every identity wrong that says that all runs went well."""
    forged = index.Index(folder)
    for name, entry in forged._entries.items():
        wrong = file_identity.Identity(1, 2, 3, entry.file.inode)
        forged._entries[name] = index.Entry(wrong, "ok", False, 4, True, entry.place, entry.size)
    forged._grown = True
    forged.save()


def exchange_runs(folder: Path) -> None:
    """An index that holds, for two runs, the compact run of the other, whole."""
    mixed = index.Index(folder)
    names = [plan.run_id for plan in PLANS[:2]]
    one, other = (mixed._packed(name, mixed._entries[name]) for name in names)
    assert one is not None
    assert other is not None
    mixed._new = dict(zip(names, (other, one), strict=True))
    mixed._grown = True
    mixed.save()


def claim_terabytes(folder: Path) -> None:
    """An index with the right hash whose compact runs would be larger than any memory."""
    entries = {
        name: structs.replace(entry, place=0, size=2**40) for name, entry in index.Index(folder)._entries.items()
    }
    head = msgspec.msgpack.encode(index._Content(index.FIELDS, entries))
    content = b"".join([index.MAGIC, len(head).to_bytes(8, "little"), index._hash(head), head])
    (folder / index.NAME).write_bytes(content)


def claim_other_numbers(folder: Path) -> None:
    """Compact runs with the right checksum, of numbers that there are not, or are not as many as the record says."""
    forged = index.Index(folder)
    changes = [
        {"number_width": 3},
        {"batch_width": 0},
        {"values": b"abc"},
        {"values": b""},
        {"numbers": b"", "clean": b""},
    ]
    for plan, change in zip(PLANS, changes, strict=False):
        packed = forged._packed(plan.run_id, forged._entries[plan.run_id])
        assert packed is not None
        content = msgspec.msgpack.encode(structs.replace(_DECODER.decode(packed[4:]), **change))
        forged._new[plan.run_id] = zlib.crc32(content).to_bytes(4, "little") + content
    forged._grown = True
    forged.save()


def link(folder: Path) -> None:
    (folder / index.NAME).unlink()
    (folder / index.NAME).symlink_to(folder / "manifest.json")


CHANGES: list[Callable[[Path], object]] = [
    lambda folder: None,
    rewrite,
    overwrite_in_place,
    swap,
    claim_success,
    link,
    lambda folder: Study(folder).run_file(PLANS[0].run_id).unlink(),
    lambda folder: (folder / index.NAME).unlink(),
    lambda folder: (folder / index.NAME).write_bytes((folder / index.NAME).read_bytes()[:-9]),
    lambda folder: (folder / index.NAME).write_text("[" * 100_000),
    lambda folder: (folder / index.NAME).write_bytes(index.MAGIC),
    lambda folder: (folder / index.NAME).write_bytes(index.MAGIC + b"\xff" * 24),
    lambda folder: (folder / index.NAME).write_bytes(b"amb index 1\n" + (folder / index.NAME).read_bytes()[12:]),
    exchange_runs,
    claim_terabytes,
    claim_other_numbers,
]


@pytest.mark.parametrize("change", CHANGES)
def test_an_index_that_is_stale_damaged_foreign_or_missing_changes_no_answer(
    folder: Path, change: Callable[[Path], object]
) -> None:
    change(folder)
    expected = without_index(folder)
    assert answers(folder) == expected


def test_one_wrong_bit_anywhere_in_an_index_changes_no_answer(folder: Path) -> None:
    path = folder / index.NAME
    expected, content = answers(folder), path.read_bytes()
    places = [*np.linspace(0, len(content) - 1, 25).astype(int), content.index(np.float64(0.25).tobytes()) + 7]
    for place in places:
        wrong = bytearray(content)
        wrong[place] ^= 4
        path.write_bytes(wrong)
        assert answers(folder) == expected


def test_a_copied_study_is_read_again(folder: Path) -> None:
    copy = folder.with_name("copied")
    shutil.copytree(folder, copy)
    study = Study(copy)
    assert [study.index.find(study.run_file(plan.run_id)) for plan in PLANS] == [None] * len(PLANS)


def test_a_file_that_may_still_change_is_not_noted(tmp_path: Path) -> None:
    """Two writes within one tick of the clock have the same times."""
    study = Study(tmp_path)
    save(study, PLANS[0])
    assert study.ending(PLANS[0]) is not None
    study.index.save()
    assert not (tmp_path / index.NAME).exists()


def test_with_an_index_nothing_is_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Study(folder).index.save()
    monkeypatch.setattr("amb.study.study.read_run", lambda path: pytest.fail(f"{path} was opened"))
    study = Study(folder)
    assert len(list(study.compact_records())) == len(PLANS)
    assert all(study.load_compact(plan) for plan in PLANS)
    assert all(is_finished(study, p, timing=False, retry=False, watch=Watch(NoProgress(), study.log)) for p in PLANS)
    assert study_status(study).finished == 3


def test_processes_that_write_it_together_leave_a_whole_one(folder: Path) -> None:
    expected = answers(folder)
    children = []
    for _ in range(4):
        if (child := os.fork()) == 0:
            status = 1
            try:
                for _ in range(10):
                    (folder / index.NAME).unlink(missing_ok=True)
                    assert answers(folder) == expected
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert answers(folder) == expected
    assert len(index.Index(folder)._entries) == len(PLANS)
    assert not list(folder.glob(".*.tmp"))


def test_a_study_that_cannot_be_written_is_read_all_the_same(folder: Path, tmp_path: Path) -> None:
    """A folder without permission to write or, for root, one in whose place of the index a folder is."""
    expected = answers(folder)
    (folder / index.NAME).unlink()
    if os.geteuid() == 0:
        (folder / index.NAME).mkdir()
    else:
        folder.chmod(0o555)
    try:
        assert answers(folder) == expected
        assert not (folder / index.NAME).is_file()
    finally:
        folder.chmod(0o755)


def test_a_compact_run_is_the_run_without_its_candidates(tmp_path: Path) -> None:
    """Whatever it holds: noise, failures, repeated and unknown candidates, batches of all sizes."""
    rng = np.random.default_rng(0)
    for number, (n, high) in enumerate([(0, 3), (1, 3), (7, 2), (300, 3), (70_000, 64)]):
        candidates = rng.integers(0, high, (n, 3))
        candidates[n // 2 :: 5] = -1 if number % 2 else 0
        clean = rng.normal(size=n)
        clean[n // 3 : n // 2] = np.nan
        values = clean if number % 2 else clean + rng.normal(size=n)
        batches = np.array([1] * min(n, 260) + [n - 260] * (n > 260), np.int64)
        record = RunRecord(PLANS[0], "ok", n, None, (1, 2, 3), np.nan, 0.25, 1.5, 0.1, message="né\n" * 20)
        whole = Trace(candidates, values, clean, batches)
        stored = unpack(pack(record, compact(whole)))
        assert stored is not None
        assert stored[0].to_json() == record.to_json()
        for name in ("values", "clean", "batches"):
            assert np.array_equal(getattr(stored[1], name), getattr(whole, name), equal_nan=True)
            assert getattr(stored[1], name).dtype == getattr(whole, name).dtype
        assert np.array_equal(stored[1].kept, whole.kept)
        for budget in (0, 1, 5, n):
            assert distinct(stored[1].candidates[:budget]) == distinct(candidates[:budget])


def test_an_index_keeps_no_more_compact_runs_than_it_may(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = answers(folder)
    (folder / index.NAME).unlink()
    monkeypatch.setattr(index, "MOST_KEPT", 700)
    assert answers(folder) == expected
    known = index.Index(folder)
    assert len(known._entries) == len(PLANS)
    assert 0 < sum(entry.size for entry in known._entries.values()) <= 700


def test_nobody_is_warned_of_files_that_stay_open(folder: Path) -> None:
    """Who turns warnings into errors, to find such files of their own, finds none of the bench's."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert Study(folder).index.find(Study(folder).run_file(PLANS[0].run_id)) is not None
        thread = threading.Thread(target=CLOCK.now)
        thread.start()
        thread.join()
        gc.collect()
    assert not [str(warning.message) for warning in said if warning.category is ResourceWarning]


def test_a_study_that_is_only_read_gets_no_index(folder: Path) -> None:
    """It may belong to somebody else, or to a checkout. Who writes into it keeps one."""
    (folder / index.NAME).unlink()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert len(list(open_study(folder).compact_records())) == len(PLANS)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert len(list(Study(folder).compact_records())) == len(PLANS)
    assert (folder / index.NAME).is_file()
