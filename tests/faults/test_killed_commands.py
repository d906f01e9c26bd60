"""SIGKILL of whatever writes: nothing is torn, nothing is lost, and nothing has to be repaired by hand."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

KILLING = Path(__file__).with_name("killing.py")

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="calls are counted by a library that cc makes"
)


def disturb(folder: Path, *words: str) -> dict:
    command = [sys.executable, str(KILLING), str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=6000)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


KILLED = "merge into a new,leaderboard,train,several neurons"
LIMITED = "run,save"


def test_neither_kills_nor_a_full_disk_cost_more_than_a_line(tmp_path: Path) -> None:
    """Commands that replace what is there, and a recording of six neurons; below, everything that writes.

    On the full disk, no file can grow beyond a limit: what was there stays, and the same command completes when there
    is room.
    """
    found = disturb(tmp_path, "--kills", "4", "--kill", KILLED, "--limits", "1", "--limit", LIMITED)
    assert found["faults"] == []
    assert found["kills"] == 4  # one each
    refused = {name: work["refused"] for name, work in found["works"].items() if "refused" in work}
    assert len(refused) == 2
    assert all(refused.values()), refused


@pytest.mark.slow
def test_three_hundred_kills_of_everything_that_writes_lose_nothing(tmp_path: Path) -> None:
    found = disturb(tmp_path, "--kills", "300")
    assert found["faults"] == []
    assert found["kills"] >= 300
    assert len(found["works"]) >= 25
    print({name: (work["kills"], work["calls"]) for name, work in found["works"].items()})


@pytest.mark.slow
def test_three_hundred_kills_of_nine_solvers_change_no_trace(tmp_path: Path) -> None:
    found = disturb(tmp_path, "--kills", "300", "--kill", "nine solvers")
    assert found["faults"] == []
    assert found["kills"] >= 300


@pytest.mark.slow
def test_no_full_disk_costs_more_than_a_line(tmp_path: Path) -> None:
    """Every command that writes, on eight disks of different sizes."""
    found = disturb(tmp_path, "--limits", "8")
    assert found["faults"] == []
    print({name: work["refused"] for name, work in found["works"].items()})
