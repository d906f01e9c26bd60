"""A file that the system does not hand over is not damaged: whoever needs it stops with a line, and nobody moves it."""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from amb import FunctionProblem, Space
from amb.catalogue import reference_points
from amb.errors import AmbError, StudyError, UnreadableError
from amb.references.resume import Cache
from amb.run.execute import execute
from amb.study.health import examine, repair, study_status
from amb.study.journal import find_journals, read_journal
from amb.study.manifest import Settings, read_manifest
from amb.study.merge import merge
from amb.study.published import PublishedStudy, publish
from amb.study.runs import RunPlan
from amb.study.study import Study
from amb.study.traces import read_run
from amb_problems import checkpoint
from amb_problems.training.state import load_state, save_state

SPACE = Space.uniform(6, 16)
PLANS = [RunPlan("p/q/r/0", "print", "random[k=5]", "1", seed, 20) for seed in (0, 1)]
FAILING_DISK = Path("/proc/self/mem")
"""A regular file that opens, and whose first byte answers EIO."""
needs_linux = pytest.mark.skipif(not FAILING_DISK.exists(), reason="there is no file here that answers EIO")


@contextmanager
def no_descriptors() -> Iterator[None]:
    """No further file can be opened (EMFILE); those that are open work."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def finish(study: Study) -> None:
    """Run the plans that are not finished; as the user's next command would."""
    execute(PLANS, study, lambda spec: FunctionProblem(lambda rows: np.sin(rows).mean(axis=1), SPACE, id=spec))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    made = Study(tmp_path / "st")
    made.describe(PLANS, Settings(solvers=("random[k=5]",), problems=("p/q/r/0",), budget=20, seeds=(0, 1)))
    finish(made)
    assert examine(made) == []  # also imports what it needs
    assert study_status(made).finished == 2
    return made


def contents(folder: Path) -> dict[str, bytes]:
    """All files of the study but its log and its index."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("log.jsonl", ".index")
    }


# A study


def test_without_descriptors_nothing_of_a_study_is_called_damaged(study: Study) -> None:
    before = contents(study.folder)
    run = study.run_files()[0]
    readers: list[Callable[[], object]] = [
        lambda: read_run(run),
        lambda: examine(study),
        lambda: study_status(Study(study.folder)),
        lambda: read_manifest(study.folder / "manifest.json"),
        lambda: read_journal(study.folder / "manifest.json"),
        lambda: find_journals(study.folder / "journal"),
        lambda: study.run_files(),
        lambda: list(study.records()),
    ]
    for reader in readers:
        with no_descriptors(), pytest.raises(UnreadableError, match="Too many open files; raise the limit"):
            reader()
    assert contents(study.folder) == before


def test_a_run_that_cannot_be_read_stops_the_next_command_and_is_not_repeated(study: Study) -> None:
    """Such as on a network file system under load: the run was moved to damaged/, and its queries spent again."""
    before = contents(study.folder)
    opened = Study(study.folder)
    with opened.enter(), no_descriptors(), pytest.raises(AmbError, match="Too many open files"):
        opened.ending(PLANS[0]) and opened.load(PLANS[0])
    assert contents(study.folder) == before
    finish(study)
    assert contents(study.folder) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_run_without_permission_is_left_alone(study: Study) -> None:
    run = study.run_files()[0]
    run.chmod(0)
    try:
        with pytest.raises(UnreadableError, match="Permission denied; change its permissions or its owner"):
            finish(Study(study.folder))
        assert [finding.path for finding in examine(study)] == [run]
    finally:
        run.chmod(0o600)
    assert not (study.folder / "damaged").exists()
    assert examine(study) == []


def test_the_doctor_names_every_file_that_it_cannot_read(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stopped at the first, so that its owner learnt of one file at a time, and of no damage elsewhere."""
    (study.folder / "journal" / "0123456789abcdef.journal").write_bytes(b"")
    (study.folder / "runs" / "left.tmp").write_bytes(b"")
    runs = study.run_files()
    before = contents(study.folder)

    def fail(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    with monkeypatch.context() as patched:
        patched.setattr("amb.study.traces.read_table", fail)
        patched.setattr("amb.study.journal.read_bytes", fail)
        findings = examine(study)
        unread = [finding for finding in findings if "Input/output error" in finding.what]
        assert [finding.path for finding in unread] == [*runs, study.folder / "journal" / "0123456789abcdef.journal"]
        assert repair(study, unread) == 0
    assert contents(study.folder) == before


def test_what_is_no_file_is_damaged_all_the_same(study: Study) -> None:
    """A folder or a link at a run's place holds no run, whoever tries to read it: it is moved away, and run again."""
    first, second = study.run_files()
    first.unlink()
    first.mkdir()
    second.rename(study.folder / "elsewhere.parquet")
    second.symlink_to(study.folder / "elsewhere.parquet")
    link = study.journal_file("0123456789abcdef")
    link.symlink_to(study.folder / "log.jsonl")
    for path in (first, second):
        with pytest.raises(StudyError, match="is damaged or not a run"):
            read_run(path)
    assert repair(study, examine(study)) == 3
    finish(study)
    assert len(list(study.records())) == 2


def test_a_merge_does_not_lose_journals_that_it_cannot_list(study: Study, tmp_path: Path) -> None:
    other = Study(tmp_path / "other")
    other.describe(PLANS, Settings(solvers=("random[k=5]",), problems=("p/q/r/0",), budget=20, seeds=(0, 1)))
    merge(tmp_path / "both", [other.folder, study.folder])
    before = contents(tmp_path / "both")
    with no_descriptors(), pytest.raises(AmbError, match="Too many open files"):
        merge(tmp_path / "both", [other.folder, study.folder])
    assert contents(tmp_path / "both") == before


def test_a_published_study_that_cannot_be_read_needs_no_new_copy(study: Study, tmp_path: Path) -> None:
    publish(study, tmp_path / "published")
    with no_descriptors(), pytest.raises(UnreadableError, match="Too many open files"):
        list(PublishedStudy(tmp_path / "published").records())
    assert len(list(PublishedStudy(tmp_path / "published").records())) == 2


AT_THE_LIMIT = """
import resource, sys
from amb.cli import main
try:
    main()  # imports what the command needs
except SystemExit:
    pass
print("once more", flush=True)
resource.setrlimit(resource.RLIMIT_NOFILE, (0, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
main()
"""


@pytest.mark.parametrize("words", [["doctor", "--repair"], ["status"]])
def test_the_command_line_says_so_in_a_line(study: Study, words: list[str]) -> None:
    before = contents(study.folder)
    command = [sys.executable, "-c", AT_THE_LIMIT, "study", *words, str(study.folder)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ended.stdout.endswith("once more\n")
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert "Too many open files; raise the limit of open files (ulimit -n)" in line
    assert contents(study.folder) == before


@needs_linux
def test_a_failing_disk_is_told_from_a_damaged_file(tmp_path: Path) -> None:
    for reader in (read_journal, read_manifest):
        with pytest.raises(UnreadableError, match="Input/output error; the disk or the network fails"):
            reader(FAILING_DISK)


# What is no study


@needs_linux
def test_other_readers_tell_a_failing_disk_from_a_damaged_file(tmp_path: Path) -> None:
    """Nobody is told to delete a training's state, to measure references again, or to reinstall, for a disk's error."""

    def failing(name: str) -> Path:
        path = tmp_path / name
        path.symlink_to(FAILING_DISK)
        return path

    save_state(tmp_path / "state", {}, {"epoch": 1})
    assert load_state(tmp_path / "state") == ({}, {"epoch": 1})
    readers: list[Callable[[], object]] = [
        lambda: load_state(failing("failing-state")),
        lambda: reference_points.load(failing("references.json")),
        lambda: checkpoint.read_card(failing("card.card.json").parent / "card"),
    ]
    for reader in readers:
        with pytest.raises(UnreadableError, match="Input/output error"):
            reader()


def test_measured_references_that_cannot_be_read_are_not_deleted(tmp_path: Path) -> None:
    problem = FunctionProblem(lambda rows: np.sin(rows).mean(axis=1), SPACE, id="p/q/r/0")
    cache, images = Cache(tmp_path), np.zeros((2, 1, 1, 3), np.uint8)
    measured = cache.responses([problem], images, lambda: np.zeros((2, 1)))
    with no_descriptors(), pytest.raises(UnreadableError, match="Too many open files"):
        cache.responses([problem], images, lambda: np.ones((2, 1)))
    assert np.array_equal(cache.responses([problem], images, lambda: np.ones((2, 1))), measured)
