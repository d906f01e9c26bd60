"""What is written to stay is flushed, renamed into place and its folder flushed; a failed write changes nothing."""

import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from amb import FunctionProblem, Space
from amb.catalogue.reference_points import References
from amb.catalogue.reference_points import save as save_references
from amb.comparison.compare import reopen
from amb.contracts.reference import Reference
from amb.errors import AmbError, CheckpointError, DataError, StudyError
from amb.references.resume import Cache
from amb.reports.write import write_leaderboard, write_reports
from amb.run.execute import execute
from amb.study import durable
from amb.study.durable import part_from_links, write_json, write_together, write_whole
from amb.study.lock import claim
from amb.study.log import StudyLog
from amb.study.manifest import Settings
from amb.study.merge import merge
from amb.study.published import publish
from amb.study.runs import RunPlan
from amb.study.study import Study

PLAN = RunPlan("p/q/r/0", "print", "random[k=5]", "1", 0, 20)
POINT = Reference("print", 0.1, 0.2, None, None, 0.5, (1, 2), "measured")


def study_in(folder: Path) -> Study:
    study = Study(folder)
    if not study.run_file(PLAN.run_id).exists():
        problem = FunctionProblem(lambda rows: np.sin(rows).mean(axis=1), Space.uniform(6, 16), id=PLAN.problem)
        study.describe([PLAN], Settings(budget=20))
        execute([PLAN], study, lambda _: problem)
    return study


def a_run(folder: Path) -> None:
    loaded = study_in(folder / "st").load(PLAN)
    assert loaded is not None
    study_in(folder / "st").save(*loaded)


def a_manifest(folder: Path) -> None:
    study_in(folder / "st").rewrite_manifest(lambda content: content)


def a_journal(folder: Path) -> None:
    study = study_in(folder / "st")
    study.journal(PLAN, 6, study.unfinished(PLAN)).close()


def a_merged_run(folder: Path) -> None:
    source = study_in(folder / "st")
    shutil.rmtree(folder / "all", ignore_errors=True)
    merge(folder / "all", [source.folder])


def a_published_study(folder: Path) -> None:
    publish(study_in(folder / "st"), folder / "published")


def a_damaged_copy(folder: Path) -> None:
    study_in(folder / "st").keep_copy(PLAN)


def a_file_set_aside(folder: Path) -> None:
    study = study_in(folder / "st")
    study.set_aside(study.run_file(PLAN.run_id), "a test")


def references(folder: Path) -> None:
    save_references(References("quick-1", {"p/q/r/0": POINT}), folder / "references.json")


def a_measured_point(folder: Path) -> None:
    shutil.rmtree(folder / "state", ignore_errors=True)
    Cache(folder / "state").point("p/q/r/0", "print", 1, lambda: POINT)


def a_checkpoint(folder: Path) -> None:
    import torch

    from amb_problems import checkpoint
    from amb_problems.cards import SNGANCard, SNGANShape

    checkpoint.save(folder / "net", {"weight": torch.ones(3)}, SNGANCard(shape=SNGANShape()))


def a_training_state(folder: Path) -> None:
    import torch

    from amb_problems.training.state import save_state

    save_state(folder / "state.safetensors", {"weight": torch.ones(3)}, {"step": 1})


def an_image_set(folder: Path) -> None:
    from amb_problems.data import image_sets

    images, labels = np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2, np.int64)
    shutil.rmtree(folder / "data", ignore_errors=True)
    image_sets._cached("mnist", [], lambda: (images, labels, images, labels))


WRITERS = [
    a_run, a_manifest, a_journal, a_merged_run, a_published_study, a_damaged_copy, a_file_set_aside, references,
    a_measured_point, a_checkpoint, a_training_state, an_image_set,
]  # fmt: skip


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is flushed and renamed, in order: ("flush", path), ("rename", new path)."""
    made: list[tuple[str, str]] = []
    fsync, replace = os.fsync, os.replace

    def flush(descriptor: int) -> None:
        made.append(("flush", os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def move(old: str | Path, new: str | Path) -> None:
        made.append(("rename", f"{Path(old).resolve()} {Path(new).resolve()}"))
        replace(old, new)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", move)
    return made


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are named by /proc")
@pytest.mark.parametrize("write", WRITERS)
def test_whatever_stays_is_flushed_before_its_rename_and_its_folder_after_it(
    write: Callable[[Path], None], tmp_path: Path, calls: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMB_CACHE", str(tmp_path))
    study_in(tmp_path / "st")
    calls.clear()
    write(tmp_path)
    renames = [i for i, (kind, _) in enumerate(calls) if kind == "rename"]
    assert renames
    for i in renames:
        old, new = map(Path, calls[i][1].split())
        if old.name.endswith((".tmp", ".new")):
            assert ("flush", str(old)) in calls[:i], "the content is on the disk before it gets its name"
        following = next(call for call in calls[i + 1 :] if call[0] != "rename")
        assert following == ("flush", str(new.parent)), "the name is on the disk before anything follows"
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith((".tmp", ".new", ".part"))]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are named by /proc")
@pytest.mark.parametrize("command", ["leaderboard", "save"])
def test_names_of_folders_that_reports_are_written_into_are_on_the_disk(
    command: str, tmp_path: Path, calls: list[tuple[str, str]]
) -> None:
    """A power failure would take pages that were reported, with their folders."""
    study, place = study_in(tmp_path / "st"), tmp_path / "pages" / "2026"
    study.describe([PLAN], Settings(solvers=(PLAN.solver,), problems=(PLAN.problem,), budget=20, seeds=(0,)))
    calls.clear()
    if command == "leaderboard":
        write_leaderboard([study.folder], place / "page.html")
    else:
        write_reports(reopen(study.folder), ["csv"], folder=place)
    assert {("flush", str(tmp_path)), ("flush", str(place.parent))} <= set(calls)


def no_room(path: Path) -> None:
    path.write_bytes(b"half of")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def stopped(path: Path) -> None:
    path.write_bytes(b"half of")
    raise KeyboardInterrupt


@pytest.mark.parametrize(("write", "error"), [(no_room, StudyError), (stopped, KeyboardInterrupt)])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, write: Callable[[Path], None], error: type[BaseException]
) -> None:
    file = tmp_path / "file"
    write_whole(file, "what was there")
    with pytest.raises(error):
        write_whole(file, write)
    assert file.read_text() == "what was there"
    assert list(tmp_path.iterdir()) == [file]


def test_of_files_that_belong_together_none_is_replaced_unless_there_is_room_for_all(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    write_together({one: "old", other: "old"})
    with pytest.raises(StudyError, match=r"cannot write .*other: No space left"):
        write_together({one: "new", other: no_room})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"one": "old", "other": "old"}


def test_a_disk_that_fails_once_the_first_of_them_has_its_name_parts_them_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {tmp_path / "one": "new", tmp_path / "other": "new"}
    write_together(dict.fromkeys(files, "old"))

    def broken(folder: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(durable, "flush_folder", broken)
    with pytest.raises(StudyError, match="Input/output error"):
        write_together(files)
    assert {path: path.read_text() for path in tmp_path.iterdir()} == files


def test_a_disk_that_fails_to_flush_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    write_whole(file, b"what was there")

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(StudyError, match=r"cannot write .*file: Input/output error"):
        write_whole(file, b"never seen")
    assert file.read_text() == "what was there"
    assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_written_is_not_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A medium that is only read has nothing that is still to be written."""
    file, plain = tmp_path / "file", os.open
    file.write_text("old")

    def opened(path: Path, flags: int, *more: int) -> int:
        if flags & (os.O_RDWR | os.O_WRONLY):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return plain(path, flags, *more)

    def flush(descriptor: int) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(durable.os, "open", opened)
    monkeypatch.setattr(durable.os, "fsync", flush)
    durable.flush_file(file)
    durable.flush_folder(tmp_path)


def test_a_folder_that_cannot_be_opened_does_not_pass_for_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = os.open

    def opened(path: Path, flags: int, *more: int) -> int:
        if os.path.isdir(path):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return plain(path, flags, *more)

    monkeypatch.setattr(durable.os, "open", opened)
    with pytest.raises(StudyError, match=r"file: Too many open files"):
        write_json(tmp_path / "file", {"a": 1})


def test_a_file_system_that_cannot_flush_folders_is_not_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = os.fsync

    def flush(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        plain(descriptor)

    monkeypatch.setattr(durable.os, "fsync", flush)
    write_json(tmp_path / "file", {"a": 1})
    assert (tmp_path / "file").read_text() == '{\n "a": 1\n}\n'


@pytest.mark.parametrize(
    ("write", "error"),
    [
        (references, DataError),
        (a_measured_point, DataError),
        (a_checkpoint, CheckpointError),
        (a_training_state, DataError),
    ],
)
def test_a_full_disk_is_an_error_of_the_writers_own_kind(
    tmp_path: Path, write: Callable[[Path], None], error: type[AmbError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(error, match="No space left"):
        write(tmp_path)


def test_what_a_dead_process_left_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".file.tmp").write_text("half of something longer than the new content")
    write_whole(tmp_path / "file", "new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"file": "new"}


def test_processes_that_replace_one_file_take_turns(tmp_path: Path) -> None:
    """None fails, the file is always whole, and nothing else is left."""
    file, texts = tmp_path / "file", [letter * 5000 for letter in "abcdef"]
    write_whole(file, texts[0])
    children = []
    for text in texts:
        if (child := os.fork()) == 0:
            status = 1
            try:
                for _ in range(40):
                    write_whole(file, text)
                    assert file.read_text() in texts
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)
    assert list(tmp_path.iterdir()) == [file]


def test_without_locks_each_process_has_a_temporary_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network file systems have none."""

    def unsupported(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", unsupported)
    names: list[str] = []
    write_whole(tmp_path / "file", lambda path: names.append(path.name) or path.write_text("new"))  # type: ignore[func-returns-value]
    assert str(os.getpid()) in names[0]
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


@pytest.mark.parametrize("soon", [True, False])
def test_who_waits_for_a_stopped_process_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], soon: bool
) -> None:
    """Every file and experiment is claimed for moments only, so nothing is said of others at work."""
    first, lock, said = claim(tmp_path / ".lock"), fcntl.flock, []
    assert first is not None

    def flock(descriptor: int, how: int) -> None:
        waits = not how & fcntl.LOCK_NB
        if waits or soon:
            said.append(capsys.readouterr().err)
            first.release()
        lock(descriptor, how)

    monkeypatch.setattr("fcntl.flock", flock)
    monkeypatch.setattr("amb.study.lock.PATIENCE", 60.0 if soon else 0.0)
    second = claim(tmp_path / ".lock", wait=True)
    assert second is not None
    second.release()
    line = f"amb: waiting for another process, which holds {tmp_path / '.lock'}; if it was stopped"
    assert all(text == "" if soon else text.startswith(line) for text in said)
    assert said


@pytest.mark.parametrize("kind", ["pipe", "link", "hard link"])
def test_what_has_the_name_of_a_temporary_file_is_neither_waited_for_nor_written_through(
    tmp_path: Path, kind: str
) -> None:
    other, temporary = tmp_path / "other", tmp_path / ".page.html.tmp"
    other.write_text("precious")
    if kind == "pipe":
        os.mkfifo(temporary)
    elif kind == "link":
        temporary.symlink_to(other)
    else:
        temporary.hardlink_to(other)
    write_whole(tmp_path / "page.html", "x" * 100_000)
    assert (tmp_path / "page.html").stat().st_size == 100_000
    assert other.read_text() == "precious"
    assert not temporary.exists()


def test_a_lock_that_the_disk_cannot_examine_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was tried again and again, for ever."""
    sound = os.stat

    def fails(path: object, *words: object, **options: object) -> os.stat_result:
        if str(path).endswith(".lock"):
            raise OSError(errno.EIO, "Input/output error")
        return sound(path, *words, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", fails)
    with pytest.raises(StudyError, match="Input/output error"):
        claim(tmp_path / ".lock")


def test_a_disk_that_fails_beneath_a_new_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message asked to move away a folder that had just been made, as if it were something else."""
    sound = os.fsync

    def fails(descriptor: int) -> None:
        if (tmp_path / "study" / "runs").exists():
            raise OSError(errno.EIO, "Input/output error")
        sound(descriptor)

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(StudyError, match=r"cannot create .*runs: Input/output error$"):
        Study(tmp_path / "study")


def test_a_log_with_other_names_is_parted_from_them(tmp_path: Path) -> None:
    """A snapshot by hard links keeps what it has."""
    log = StudyLog(tmp_path / "log.jsonl")
    log.write("info", "before")
    snapshot = tmp_path / "snapshot.jsonl"
    snapshot.hardlink_to(log.path)
    for event in ("after", "again"):
        log.write("info", event)
    assert [line["event"] for line in log.read()] == ["before", "after", "again"]
    assert [line["event"] for line in StudyLog(snapshot).read()] == ["before"]
    assert {path.name for path in tmp_path.iterdir()} == {"log.jsonl", "snapshot.jsonl"}


def test_a_file_that_cannot_be_parted_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"1")
    other.hardlink_to(path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        part_from_links(path)
    assert path.samefile(other)
    assert {one.name for one in tmp_path.iterdir()} == {"a", "b"}
