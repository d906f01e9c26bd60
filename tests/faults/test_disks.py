"""Full disks, read-only folders, torn and flipped bytes: named, set aside, and never a wrong or a lost result."""

import contextlib
import errno
import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from py_compile import compile as compile_file

import numpy as np
import pytest

from amb import FunctionProblem, Space
from amb.cli import _run_and_blame
from amb.cli.group import Group
from amb.errors import StudyError
from amb.held_file import HeldFile
from amb.run.execute import execute
from amb.study.health import examine, repair
from amb.study.journal import Journal, read_journal
from amb.study.manifest import Settings
from amb.study.runs import Known, RunPlan, Seconds, Trace
from amb.study.study import Study

SPACE = Space.uniform(6, 16)
PLANS = [RunPlan("p/q/r/0", "print", "random[k=5]", "1", seed, 60) for seed in range(2)]


def problem(spec: str) -> FunctionProblem:
    return FunctionProblem(lambda rows: np.sin(rows).mean(axis=1), SPACE, id=spec)


def traces(study: Study) -> list[bytes]:
    found = [study.load(plan) for plan in PLANS]
    return [run[1].values.tobytes() + run[1].candidates.tobytes() for run in found if run is not None]


@pytest.fixture
def expected(tmp_path: Path) -> list[bytes]:
    study = Study(tmp_path / "undisturbed")
    execute(PLANS, study, problem)
    return traces(study)


def journal_bytes(path: Path, sizes: list[int]) -> tuple[bytes, Trace]:
    rng = np.random.default_rng(3)
    n = sum(sizes)
    trace = Trace(rng.integers(0, 64, (n, 3)), rng.random(n), rng.random(n), np.array(sizes))
    Journal(path, 3, Known(trace, Seconds(1.0, 2.0, 3.0)), plan=PLANS[0]).close()
    return path.read_bytes(), trace


def test_a_journal_cut_at_every_byte_of_its_last_record_keeps_all_before_it(tmp_path: Path) -> None:
    path = tmp_path / "j.journal"
    shorter = len(journal_bytes(path, [4, 3])[0])
    content, trace = journal_bytes(path, [4, 3, 5])
    for cut in range(shorter, len(content) + 1):
        path.write_bytes(content[:cut])
        back = read_journal(path)
        assert back is not None
        n = len(back.known.trace)
        assert n == (12 if cut == len(content) else 7)
        assert back.whole == (cut in (shorter, len(content)))
        assert np.array_equal(back.known.trace.values, trace.values[:n])
        assert back.known.seconds == Seconds(1.0, 2.0, 3.0)


def test_no_flipped_byte_of_a_journal_is_ever_believed(tmp_path: Path) -> None:
    """Whatever byte is wrong, what is read is a prefix of what was written, and ends before the damage."""
    path = tmp_path / "j.journal"
    content, trace = journal_bytes(path, [4, 3, 5])
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        back = read_journal(path)
        if back is None:
            continue
        found = back.known.trace
        n = len(found)
        assert n < 12
        assert not back.whole
        assert np.array_equal(found.candidates, trace.candidates[:n])
        assert np.array_equal(found.values, trace.values[:n])
        assert np.array_equal(found.clean, trace.clean[:n])


@pytest.mark.parametrize("where", [10, 100, 0.3, 0.6, -10])
def test_a_damaged_run_file_is_set_aside_and_run_again(tmp_path: Path, where: float, expected: list[bytes]) -> None:
    study = Study(tmp_path / "st")
    execute(PLANS, study, problem)
    file = study.run_file(PLANS[0].run_id)
    content = bytearray(file.read_bytes())
    content[int(where * len(content)) if isinstance(where, float) else where] ^= 0x01
    file.write_bytes(content)
    with contextlib.suppress(StudyError):
        # A byte that nothing depends on may differ; else the damage is found.
        assert traces(study) == expected
        return
    execute(PLANS, study, problem)
    assert traces(study) == expected
    assert (tmp_path / "st" / "damaged" / file.name).read_bytes() == content
    assert any(line["event"] == "set aside" and file.name in str(line["file"]) for line in study.log.read())


class FullDisk(HeldFile):
    """A file on a disk with so many bytes left."""

    def __init__(self, path: Path, room: int, *, new: bool) -> None:
        super().__init__(path, new=new)
        self._room = room

    def write(self, content: bytes) -> int:  # type: ignore[override]
        written = super().write(content[: self._room])
        self._room -= written
        if written < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return written


@pytest.mark.parametrize("room", [0, 100, 400, 1000, 2000])
def test_a_disk_that_fills_up_stops_the_study_and_loses_nothing(
    tmp_path: Path, room: int, expected: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = []

    def counted(spec: str) -> FunctionProblem:
        def respond(rows: np.ndarray) -> np.ndarray:
            queries.extend(rows)
            return np.sin(rows).mean(axis=1)

        return FunctionProblem(respond, SPACE, id=spec)

    study = Study(tmp_path / "st")
    with monkeypatch.context() as patch:
        patch.setattr("amb.study.journal.HeldFile", lambda path, new: FullDisk(path, room, new=new))
        with pytest.raises(StudyError, match="No space left"):
            execute(PLANS, study, counted)
    first = len(queries)
    execute(PLANS, study, counted)
    assert traces(study) == expected
    assert first <= len(queries) <= 120 + 2 * 5  # only the batch that could not be written is measured again


def mounted(folder: Path, options: str) -> None:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mounted(folder, "size=100k")
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_small_disk_that_is_full_in_truth(small_disk: Path, expected: list[bytes]) -> None:
    """At every amount of room from nothing to enough: one clear error, and complete once there is space."""
    filler = small_disk / "filler"
    filler.write_bytes(bytes(small_disk.stat().st_blksize * 25))
    failures = 0
    while True:
        try:
            study = Study(small_disk / "st")
            study.describe(PLANS, Settings())
            execute(PLANS, study, problem)
            break
        except StudyError as cause:
            failures += "No space left" in str(cause)
            with filler.open("r+b") as file:
                file.truncate(filler.stat().st_size - 4096)
    assert failures > 2
    assert traces(study) == expected


def test_a_read_only_study_can_be_read_and_is_not_run(small_disk: Path, expected: list[bytes]) -> None:
    study = Study(small_disk / "st")
    study.describe(PLANS[:1], Settings())
    execute(PLANS[:1], study, problem)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    again = Study(small_disk / "st")
    assert traces(again) == expected[:1]
    assert again.manifest.problems == {"p/q/r/0": "print"}
    with pytest.raises(StudyError, match="Read-only"):
        execute(PLANS, again, problem)
    with pytest.raises(StudyError, match="Read-only"):
        again.describe(PLANS, Settings())
    with pytest.raises(StudyError, match="Read-only"):
        Study(small_disk / "another")


def test_a_study_that_cannot_be_locked_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a read-only folder answers first; as any user, by an error of the disk."""
    study = Study(tmp_path / "st")
    execute(PLANS[:1], study, problem)
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", lambda *_: (_ for _ in ()).throw(OSError(errno.EROFS, "Read-only file system")))
        with pytest.raises(StudyError, match=r"cannot write to .*st: Read-only file system \(its \.manifest\.lock\)"):
            study.rewrite_manifest(lambda old: old)


@pytest.mark.parametrize("place", [".manifest.lock", ".manifest.json.tmp", f"journal/{PLANS[1].run_id}.lock"])
def test_a_folder_in_the_place_of_a_file_that_amb_must_make_is_named(tmp_path: Path, place: str) -> None:
    """The message was that the folder must be writable, and the doctor stopped where it could not delete it."""
    study = Study(tmp_path / "st")
    execute(PLANS[:1], study, problem)
    (study.folder / place).mkdir()
    said = f"{study.folder / place} is a folder, where amb must make a file; move it away"

    def go_on() -> None:
        study.describe([replace(PLANS[0], problem="p/q/r/1")], Settings())
        execute(PLANS, study, problem)

    with pytest.raises(StudyError, match=re.escape(said)):
        go_on()
    (found,) = examine(study)
    assert (found.path, found.repair, found.what) == (study.folder / place, "none", said.split(" is ")[1])
    assert repair(study, [found]) == 0


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path, expected: list[bytes]) -> None:
    study = Study(tmp_path / "st")
    study.log.path.mkdir()
    execute(PLANS, study, problem)
    assert traces(study) == expected


def test_a_clock_that_jumps_changes_nothing(
    tmp_path: Path, expected: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wall time goes to 1970 and back at every look; seconds and rates come from a clock that cannot."""
    import time

    looks = iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: 0.0 if next(looks) % 2 else 4e9)
    monkeypatch.setattr("amb.study.log.now", lambda: "1970-01-01T00:00:00.000+00:00")
    study = Study(tmp_path / "st")
    execute(PLANS, study, problem)
    assert traces(study) == expected
    for plan in PLANS:
        record, _ = study.load(plan)  # type: ignore[misc]
        assert 0 < record.seconds.total < 60
    assert all(json.dumps(line) for line in study.log.read())


def test_byte_code_that_a_full_disk_has_torn_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every later command said "Aborted." and nothing else: typer takes the end of a file for one of a prompt."""
    (tmp_path / "halved.py").write_text("half = 1 / 2\n")
    torn = Path(compile_file(tmp_path / "halved.py"))
    torn.write_bytes(torn.read_bytes()[:-20])
    monkeypatch.syspath_prepend(tmp_path)
    app = Group(name="amb")
    app.command("torn")(lambda: print(import_module("halved")))
    app.command("ends")(lambda: print(pickle.loads(b"")))

    @app.command("wrapped")
    def wrapped() -> None:
        try:
            import_module("halved")
        except EOFError as cause:
            raise StudyError("a report cannot be written: EOFError") from cause

    monkeypatch.setattr("amb.cli.app.app", app)
    for command in ("torn", "wrapped"):
        monkeypatch.setattr(sys, "argv", ["amb", command])
        with pytest.raises(SystemExit, match="2"):
            _run_and_blame()
        assert re.sub(r"\s+", " ", capsys.readouterr().err).endswith(
            f"amb: Python cannot read {torn}, byte code that was not written whole, as on a full disk: "
            f"delete the folder {torn.parent} and repeat the command "
        )
    monkeypatch.setattr(sys, "argv", ["amb", "ends"])
    with pytest.raises(EOFError, match="Ran out of input"):  # said as it is
        _run_and_blame()
