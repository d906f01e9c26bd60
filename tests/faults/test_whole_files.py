"""A report is written whole or not at all, alone and in a crowd, and leaves nothing else behind."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from amb.reports.draft import draft_of, filling
from amb.study.durable import exchange, write_whole

TOY = Path(__file__).parents[1] / "plugins" / "toy.py"


def no_link(*_: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_draft_takes_the_folders_place_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    with draft_of(folder) as draft:
        (draft / "a").write_text("1")
        assert not folder.exists()
    with draft_of(folder) as draft:
        (draft / "b").write_text("2")
        assert files(folder) == {"a": "1"}
    assert files(folder) == {"a": "1", "b": "2"}
    with draft_of(folder, empty=True) as draft:
        (draft / "c").write_text("3")
    assert files(tmp_path) == {"report/c": "3"}


def test_a_draft_that_fails_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    with draft_of(folder) as draft:
        (draft / "a").write_text("1")

    def stopped() -> None:
        with draft_of(folder) as draft:
            (draft / "a").write_text("2")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert files(tmp_path) == {"report/a": "1"}


@pytest.mark.parametrize("end", ["killed", "raised"])
def test_a_users_folder_gets_all_files_or_none(tmp_path: Path, end: str) -> None:
    """`result.save` into one with tables of an earlier comparison, and much else that is not amb's to copy or move."""
    folder = tmp_path / "project"
    (folder / ".venv").mkdir(parents=True)
    (folder / ".venv" / "python").symlink_to(tmp_path / "python")
    (folder / "notes.txt").write_text("mine")
    for name in ("ranking.csv", "old.csv"):
        (folder / name).write_text("20 queries")
    (folder / "coco").mkdir()
    (folder / "coco" / "old").write_text("20 queries")
    before, notes = files(folder), (folder / "notes.txt").stat().st_ino

    def write(end: str) -> None:
        with filling(folder, replaced=["coco"], ours=lambda file: file.name == "old.csv") as draft:
            (draft / "ranking.csv").write_text("60 queries")
            (draft / "coco").mkdir()
            (draft / "coco" / "new").write_text("60 queries")
            if end == "raised":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if end == "killed":
                os.kill(os.getpid(), signal.SIGKILL)

    if end == "killed":
        if (pid := os.fork()) == 0:
            write(end)
        os.waitpid(pid, 0)
        assert {name: text for name, text in files(folder).items() if "-draft-" not in name} == before
    else:
        with pytest.raises(OSError, match="No space"):
            write(end)
        assert files(folder) == before
    write("finished")
    new = {"ranking.csv": "60 queries", "coco/new": "60 queries", "notes.txt": "mine"}
    assert files(folder).items() >= new.items()
    assert {path.name for path in folder.iterdir()} == {".venv", "notes.txt", "ranking.csv", "coco"}
    assert {path.name for path in (folder / "coco").iterdir()} == {"new"}
    assert (folder / "notes.txt").stat().st_ino == notes
    assert (folder / ".venv" / "python").is_symlink()


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process")
def test_a_disk_that_takes_no_copy_of_the_old_files_is_one_error(
    tmp_path: Path, file_limit: Callable[[int | None], None]
) -> None:
    """However many files there are; `shutil` collects one for each, with both paths."""
    folder = tmp_path / "report"
    with draft_of(folder) as draft:
        for name in "abc":
            (draft / name).write_text("old" * 1000)
    before = files(tmp_path)
    file_limit(1000)
    with pytest.raises(OSError, match="File too large") as failed, draft_of(folder):
        pass
    file_limit(None)
    assert failed.value.strerror == "File too large"
    assert files(tmp_path) == before


def test_a_file_that_another_process_writes_meanwhile_is_kept(tmp_path: Path) -> None:
    """Both began with the same folder; each wrote one file of its own, and both wrote the third."""
    folder = tmp_path / "report"
    with draft_of(folder) as draft:
        for name in "abc":
            (draft / name).write_text("old")
    with draft_of(folder) as slow:
        (slow / "a").write_text("slow one")
        (slow / "c").write_text("slow one")
        with draft_of(folder) as fast:
            (fast / "b").write_text("fast")
            (fast / "c").write_text("fast")
            (fast / "d").write_text("fast")
    assert files(tmp_path) == {
        "report/a": "slow one", "report/b": "fast", "report/c": "slow one", "report/d": "fast"
    }  # fmt: skip


@pytest.mark.parametrize("swaps", [True, False], ids=["swapped", "two renames"])
@pytest.mark.parametrize("links", [True, False], ids=["linked", "copied"])
def test_what_other_programs_write_into_the_folder_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swaps: bool, links: bool
) -> None:
    """The output of `amb report S > S/report/table.txt` went into a file that was deleted; so did an editor's notes."""
    folder = tmp_path / "report"
    with draft_of(folder) as draft:
        (draft / "page").write_text("old")
        (draft / "notes").write_text("old")

    def swap(one: Path, other: Path) -> bool:
        (folder / "late").write_text("late")  # while the draft is flushed
        (folder / "notes").unlink()  # as editors save
        (folder / "notes").write_text("newer")
        (folder / "new").mkdir(exist_ok=True)
        (folder / "new" / "late").write_text("late")
        return exchange(one, other) if swaps else False

    monkeypatch.setattr("amb.reports.draft.exchange", swap)
    if not links:
        monkeypatch.setattr(os, "link", no_link)
    with (folder / "output").open("w") as output:
        output.write("begin ")
        output.flush()
        with draft_of(folder) as draft:
            (draft / "page").write_text("new")
            output.write("middle ")
            output.flush()
        output.write("end")
    assert files(tmp_path) == {
        "report/page": "new", "report/notes": "newer", "report/late": "late", "report/new/late": "late",
        "report/output": "begin middle end",
    }  # fmt: skip


@pytest.fixture(params=["pretended", "image of a container", "mounted disk"])
def fixed(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A report's folder that cannot be moved, with files of an earlier report in it."""
    folders = [tmp_path / name for name in ("place", "lower", "upper", "work")]
    place, lower, upper, work = folders
    for folder in (*folders, place / "report", lower / "report" / "old"):
        folder.mkdir(parents=True, exist_ok=True)
    for name in ("page", "notes", "old/table"):
        (lower / "report" / name).write_text("old")
    if request.param == "pretended":
        shutil.copytree(lower, place, dirs_exist_ok=True)

        def refused(*_: object) -> None:
            raise OSError(errno.EXDEV, "Invalid cross-device link")

        monkeypatch.setattr("amb.reports.draft.exchange", refused)
        yield place / "report"
        return
    if request.param == "mounted disk":
        at, options = place / "report", ["--bind", lower / "report"]
    else:
        at, options = place, ["-t", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", "overlay"]
    if shutil.which("mount") is None:
        pytest.skip("there is no mount command here")
    done = subprocess.run(["mount", *options, at], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    yield place / "report"
    subprocess.run(["umount", "-l", at], check=True)


def test_a_folder_that_cannot_be_moved_gets_a_new_report(fixed: Path) -> None:
    """Of a study in a container's image, and where a disk was mounted, every report was refused, for ever."""
    with draft_of(fixed, replaced=["old"]) as draft:
        (draft / "page").write_text("new")
        (draft / "old").mkdir()
        (draft / "old" / "another").write_text("new")
        (fixed / "late").write_text("late")
        assert (fixed / "page").read_text() == "old"
    assert files(fixed.parent) == {
        "report/page": "new", "report/notes": "old", "report/old/another": "new", "report/late": "late"
    }  # fmt: skip
    with draft_of(fixed, empty=True) as draft:
        (draft / "page").write_text("newest")
    assert files(fixed.parent) == {"report/page": "newest"}
    assert [path.name for path in fixed.iterdir()] == ["page"]


@pytest.mark.parametrize("links", [True, False], ids=["linked", "copied"])
def test_pipes_and_sockets_in_the_folder_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    """No report was written, since they cannot be copied."""
    folder = tmp_path / "report"
    with draft_of(folder) as draft:
        (draft / "page").write_text("old")
    os.mkfifo(folder / "pipe")
    monkeypatch.chdir(folder)  # an address is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    if not links:
        monkeypatch.setattr(os, "link", no_link)
    with draft_of(folder) as draft:
        (draft / "page").write_text("new")
    assert (folder / "page").read_text() == "new"
    assert (folder / "pipe").is_fifo()
    assert (folder / "socket").is_socket()
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


@pytest.mark.parametrize("swaps", [True, False], ids=["swapped", "two renames"])
def test_who_is_in_the_folder_stays_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swaps: bool) -> None:
    """`cd S/report; amb report ..` left the shell in a deleted folder, as a server of its files was."""
    if not swaps:
        monkeypatch.setattr("amb.reports.draft.exchange", lambda one, other: False)
    folder = tmp_path / "report"
    for name in ("page", "coco/a/1", "coco/gone/1", "mine/notes"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("old")
    for place in (folder, folder / "mine", folder / "coco" / "a"):
        monkeypatch.chdir(place)
        with draft_of(Path("../" * (len(place.relative_to(tmp_path).parts)), "report"), replaced=["coco"]) as draft:
            (draft / "page").write_text("new")
            (draft / "coco" / "a").mkdir(parents=True)
            (draft / "coco" / "a" / "2").write_text("new")
        assert Path.cwd() == place
        Path("here").write_text("new")
        assert (place / "here").read_text() == "new"
        (place / "here").unlink()
        wanted = {"report/page": "new", "report/mine/notes": "old", "report/coco/a/2": "new"}
        assert files(tmp_path) == wanted
        assert not (folder / "coco" / "gone").exists()


def test_a_draft_within_a_draft_is_flushed_once_and_before_the_outer_one_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export has thousands of files, and each flush waits for the disk."""
    flushed: list[str] = []

    def flush(path: Path) -> None:
        assert not (tmp_path / "report").exists()
        flushed.append(path.name)

    monkeypatch.setattr("amb.reports.draft.flush_file", flush)
    with draft_of(tmp_path / "report") as outer:
        for export in ("coco", "iohanalyzer"):
            with draft_of(outer / export, empty=True) as inner:
                (inner / f"{export}.dat").write_text("values")
    assert sorted(name for name in flushed if name.endswith(".dat")) == ["coco.dat", "iohanalyzer.dat"]
    assert (tmp_path / "report" / "coco" / "coco.dat").read_text() == "values"
    with draft_of(tmp_path / "report" / "coco", empty=True) as alone:
        monkeypatch.setattr("amb.reports.draft.flush_file", lambda path: flushed.append(path.name))
        (alone / "alone.dat").write_text("values")
    assert "alone.dat" in flushed


def test_a_folder_that_is_written_anew_is_not_copied_and_is_kept_where_that_fails(tmp_path: Path) -> None:
    """Thousands of old files of an export; nothing of them stays among the new ones, and none is lost without those."""
    folder = tmp_path / "report"
    for name in ("a", "coco/old/1", "coco/old/2"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("old")
    (folder / "coco" / "new").mkdir()
    with draft_of(folder, replaced=["coco", "ioh"]) as draft:
        assert files(draft) == {"a": "old"}
        with suppress(OSError), draft_of(draft / "coco", empty=True) as inner:
            (inner / "half").write_text("half")
            raise OSError("no room")
    assert files(tmp_path) == {"report/a": "old", "report/coco/old/1": "old", "report/coco/old/2": "old"}
    with draft_of(folder, replaced=["coco"]) as draft, draft_of(draft / "coco", empty=True) as inner:
        (inner / "new").write_text("new")
    assert files(tmp_path) == {"report/a": "old", "report/coco/new": "new"}


def test_drafts_of_dead_processes_are_deleted_and_those_of_living_ones_are_not(tmp_path: Path) -> None:
    """Whatever number a dead process had: a living one may have it now, and the folder may come from another host."""
    folder = tmp_path / "report"
    for name in (f".report-draft-{os.getpid()}", ".report-draft-x"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").write_text("half")
    with draft_of(folder) as one:
        (one / "a").write_text("1")
        with draft_of(folder) as other:
            assert one.exists()
            (other / "b").write_text("2")
    assert files(tmp_path) == {"report/a": "1", "report/b": "2"}
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_no_draft_has_the_name_of_an_earlier_one(tmp_path: Path) -> None:
    """Its process may still be deleting the folder that it replaced, and would delete another one's draft."""
    names = set()
    for _ in range(3):
        with draft_of(tmp_path / "report") as draft:
            names.add(draft.name)
    assert len(names) == 3


def test_without_an_exchange_in_one_step_a_killed_process_loses_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On other systems, the old folder is moved away first; if the process dies then, the next one moves it back."""
    monkeypatch.setattr("amb.reports.draft.exchange", lambda one, other: False)
    folder = tmp_path / "report"
    with draft_of(folder) as draft:
        (draft / "a").write_text("1")
    if (child := os.fork()) == 0:
        try:
            monkeypatch.setattr("amb.reports.draft.rename", lambda old, new: os.kill(os.getpid(), signal.SIGKILL))
            with draft_of(folder) as draft:
                (draft / "a").write_text("2")
        finally:
            os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert not folder.exists()
    with draft_of(folder) as draft:
        assert files(draft) == {"a": "1"}
        (draft / "b").write_text("2")
    assert files(tmp_path) == {"report/a": "1", "report/b": "2"}


def test_a_pipe_of_the_name_of_a_leftover_holds_up_no_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was opened, to be deleted, and nobody ever wrote into it."""
    os.mkfifo(tmp_path / ".report-old")
    removed: list[Path] = []
    monkeypatch.setattr(shutil, "rmtree", lambda path, **_: removed.append(path))
    with draft_of(tmp_path / "report") as draft:
        (draft / "page").write_text("new")
    assert (tmp_path / "report" / "page").read_text() == "new"
    assert tmp_path / ".report-old" not in removed


@pytest.mark.skipif(sys.platform != "linux", reason="a call of Linux")
def test_an_exchange_is_one_step(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    (one / "file").write_text("1")
    other.write_text("2")
    assert exchange(one, other)
    assert files(tmp_path) == {"one": "2", "other/file": "1"}
    with pytest.raises(FileNotFoundError):
        exchange(one, tmp_path / "missing")


def test_a_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    """As the superuser, a device would be."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        write_whole(tmp_path / "pipe", "text", error=None)
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("leads_to", ["/dev/null", "pipe"])
def test_a_link_to_a_device_is_not_replaced_by_a_file(tmp_path: Path, leads_to: str) -> None:
    """`--out /dev/stdout` in a container replaced the link of the whole machine."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "out").symlink_to(leads_to)
    with pytest.raises(OSError, match="not a regular file"):
        write_whole(tmp_path / "out", "text", error=None)
    assert (tmp_path / "out").is_symlink()
    (tmp_path / "later").symlink_to("missing")
    write_whole(tmp_path / "later", "text", error=None)
    assert (tmp_path / "later").read_text() == "text"


CROWD = """
import multiprocessing, sys
from amb.catalogue.plugins import load_file
load_file(sys.argv[1])
import amb
from amb.reports.write import write_reports

def finish(names, together):
    result = amb.compare("random,climber", "toy/bowl/near/0..1", budget=40, seeds=3, study=sys.argv[2])
    together.wait()
    for _ in range(3):
        written = write_reports(result, names.split(","))
        assert not written.failures, written.failures

forks = multiprocessing.get_context("fork")
together = forks.Barrier(len(sys.argv) - 3)
crowd = [forks.Process(target=finish, args=(names, together)) for names in sys.argv[3:]]
for process in crowd:
    process.start()
for process in crowd:
    process.join()
sys.exit(any(process.exitcode for process in crowd))
"""


def finish(study: Path, *reports: str) -> None:
    """Processes that finish a study together, each of which makes some reports of it three times."""
    command = [sys.executable, "-c", CROWD, str(TOY), str(study), *reports]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_processes_that_finish_one_study_together_leave_one_good_report(tmp_path: Path) -> None:
    """Three of them make the report, three times each; two make other files only, which are kept, too."""
    study, alone = tmp_path / "study", tmp_path / "alone"
    every = "csv,markdown,latex,parquet,coco,iohanalyzer"
    finish(study, *[every] * 3, "parquet", "latex")
    finish(alone, every)
    made = {str(path.relative_to(study / "report")) for path in (study / "report").rglob("*")}
    assert made == {str(path.relative_to(alone / "report")) for path in (alone / "report").rglob("*")}
    for name in ("pairs.csv", "pairs.tex", "coco/problems.csv"):  # without seconds
        assert (study / "report" / name).read_bytes() == (alone / "report" / name).read_bytes()
    lasting = {".index"}  # of runs that are two seconds old, which they are on a slow machine
    assert {path.name for path in study.iterdir()} - lasting == {path.name for path in alone.iterdir()} - lasting
    assert not [path for path in study.rglob(".*") if path.name not in {".gitignore", *lasting}]
