"""What a process that died left half written is cleared away by the next run, and never what a living one writes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from amb import FunctionProblem, Space
from amb.run.execute import execute
from amb.study.durable import held
from amb.study.health import Finding, examine, repair
from amb.study.lock import claim, clear, enter, is_claimed
from amb.study.manifest import Settings
from amb.study.merge import merge
from amb.study.runs import RunPlan
from amb.study.study import Study

SPACE = Space.uniform(4, 16)
PLANS = [RunPlan("p/q/r/0", "print", "random[k=5]", "1", seed, 20) for seed in range(3)]


def lab(spec: str) -> FunctionProblem:
    return FunctionProblem(lambda rows: np.sin(rows).mean(axis=1), SPACE, id=spec)


def finished(folder: Path) -> Study:
    study = Study(folder)
    study.describe(PLANS, Settings(budget=20))
    execute(PLANS, study, lab)
    return study


def test_a_start_clears_what_a_dead_process_left_and_nothing_else(tmp_path: Path) -> None:
    study = finished(tmp_path)
    journal = tmp_path / "journal"
    dead = [tmp_path / "runs" / ".a.parquet.1.tmp", journal / f"{'b' * 32}.new", journal / f"{'c' * 32}.lock"]
    dead += [tmp_path / name for name in (".manifest.json.tmp", "..index.tmp", ".log.jsonl.7.tmp", ".manifest.lock")]
    for path in dead:
        path.write_bytes(b"half")
    with held(alive := tmp_path / "runs" / ".d.parquet.1.tmp"), study.claim(PLANS[0]) or pytest.fail("nobody has it"):
        assert not [finding for finding in examine(study) if finding.path == alive]
        study.enter().release()
        assert alive.exists()
        assert study.claim(PLANS[0]) is None
        assert not [path for path in dead if path.exists()]
    assert list((tmp_path / "journal").iterdir()) == []


def test_files_of_the_users_in_a_study_s_folder_stay(tmp_path: Path) -> None:
    """`amb run --study .` deleted poetry.lock, uv.lock and whatever else ended like a temporary file."""
    study = finished(tmp_path)
    names = [
        "poetry.lock",
        "uv.lock",
        "notes.tmp",
        "settings.new",
        "runs/conda.lock",
        "journal/diary.new",
        ".x.html.tmp",
    ]
    for name in names:
        (tmp_path / name).write_text("mine")
    (tmp_path / "data").symlink_to(tmp_path.parent)
    study.enter().release()
    assert not examine(study)
    assert repair(study, examine(study)) == 0
    assert {(tmp_path / name).read_text() for name in names} == {"mine"}
    assert (tmp_path / "data").is_symlink()


def test_a_doctor_takes_nothing_from_a_process_that_began_after_it_looked(tmp_path: Path) -> None:
    """It found a lock file and a damaged run; then a process claimed the one and repaired the other."""
    study = finished(tmp_path)
    file = study.run_file(PLANS[0].run_id)
    whole = file.read_bytes()
    file.write_bytes(b"damaged")
    lock = tmp_path / "journal" / f"{PLANS[1].run_id}.lock"
    lock.write_bytes(b"")
    found = examine(study)
    assert {finding.path for finding in found} == {file, lock}
    with study.claim(PLANS[1]) or pytest.fail("nobody has it"), study.claim(PLANS[0]) or pytest.fail("nobody has it"):
        assert repair(study, found) == 0
        assert study.claim(PLANS[1]) is None, "the run has one owner"
    file.write_bytes(whole)
    assert repair(study, found) == 0
    assert file.read_bytes() == whole
    file.write_bytes(b"damaged again")
    assert repair(study, [Finding(file, "damaged", "set aside")]) == 1


def test_no_run_has_two_owners_while_others_clear_its_lock(tmp_path: Path) -> None:
    """Three processes claim one lock file and two clear it, without pause; owners never overlap."""
    script = """
import os, sys, time
from pathlib import Path
from amb.study.lock import claim, clear
lock, owner, kind = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
end = time.monotonic() + 2
owned = 0
while time.monotonic() < end:
    if kind == "clear":
        clear(lock)
        continue
    mine = claim(lock)
    if mine is None:
        continue
    os.close(os.open(owner, os.O_CREAT | os.O_EXCL))  # fails if another process owns the run
    owner.unlink()
    owned += 1
    mine.release()
assert kind == "clear" or owned
"""
    words = [sys.executable, "-c", script, str(tmp_path / "lock"), str(tmp_path / "owner")]
    processes = [subprocess.Popen([*words, kind]) for kind in ("claim", "claim", "claim", "clear", "clear")]
    assert [process.wait() for process in processes] == [0] * 5


def test_a_link_is_not_cleared(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"someone else's")
    (tmp_path / "a.tmp").symlink_to(tmp_path / "file")
    with pytest.raises(OSError, match="symbolic"):
        clear(tmp_path / "a.tmp")
    assert (tmp_path / "file").exists()


@pytest.mark.parametrize("moment", range(0, 12, 2))
def test_a_merge_into_a_new_folder_that_was_killed_can_be_repeated(tmp_path: Path, moment: int) -> None:
    finished(tmp_path / "one")
    child = os.fork()
    if child == 0:
        plain, left = os.fsync, [moment]

        def fsync(descriptor: int) -> None:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            plain(descriptor)

        os.fsync = fsync  # type: ignore[assignment]
        merge(tmp_path / "all", [tmp_path / "one"])
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    merge(tmp_path / "all", [tmp_path / "one"])
    assert len(list(Study(tmp_path / "all").records())) == len(PLANS)
    assert Study(tmp_path / "all").manifest == Study(tmp_path / "one").manifest


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("place", [".manifest.lock", f"journal/{PLANS[0].run_id}.lock"])
def test_a_pipe_in_place_of_a_lock_keeps_no_doctor_waiting(tmp_path: Path, place: str) -> None:
    study = Study(tmp_path / "st")
    os.mkfifo(study.folder / place)
    script = "import sys; from amb.study import health, study; health.examine(study.Study(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", script, str(study.folder)], timeout=60, check=True)


ORPHAN = """
import os, signal, time
from pathlib import Path
from amb.study.lock import enter, hold

held = hold(Path("run.lock")), enter(Path("."), alone=True)
helper = os.fork()
if helper == 0:
    time.sleep(1000)
print(helper, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is forked there")
def test_what_a_killed_bench_has_forked_holds_none_of_its_claims(tmp_path: Path) -> None:
    """A solver's helper lives on; the same command waited for it without an end."""
    done = subprocess.Popen([sys.executable, "-c", ORPHAN], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert done.stdout is not None
    helper = int(done.stdout.readline())
    try:
        assert done.wait() == -signal.SIGKILL
        os.kill(helper, 0)
        deadline = time.monotonic() + 60  # the helper may not have run since it was forked
        while is_claimed(tmp_path / "run.lock") and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not is_claimed(tmp_path / "run.lock")
        again = claim(tmp_path / "run.lock"), enter(tmp_path, alone=True)
        assert all(again)
    finally:
        os.kill(helper, signal.SIGKILL)
