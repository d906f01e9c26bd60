"""SIGKILL of whole commands at work on a real network, each time a fresh interpreter."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from amb.study.traces import read_run

SOLVERS = "random,tt-s,cma,portfolio,one-plus-lambda,snes"
COMMAND = ["run", "-s", SOLVERS, "-p", "cifar10-sngan/snn-cnn/sn1/0..1", "--budget", "80", "--seeds", "1"]
KILLS = 6


def start(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "amb", *COMMAND, "--study", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def written(folder: Path) -> int:
    """Bytes in journals and finished runs."""
    return sum(path.stat().st_size for part in ("journal", "runs") for path in (folder / part).glob("*.*"))


def traces(folder: Path) -> dict[str, tuple]:
    found = {}
    for path in sorted((folder / "runs").glob("*.parquet")):
        record, trace = read_run(path)
        rows = trace.candidates.tobytes(), trace.values.tobytes(), trace.clean.tobytes(), trace.batches.tolist()
        found[record.plan.name] = (record.status, record.recommended, record.final, *rows)
    return found


@pytest.mark.slow
def test_a_command_killed_at_random_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    quiet, rough = tmp_path / "quiet", tmp_path / "rough"
    assert start(quiet).wait() == 0
    rng = np.random.default_rng(0)
    kills = 0
    while True:
        before, more = written(rough), int(rng.integers(1, 40_000))
        process = start(rough)
        while process.poll() is None and (kills == KILLS or written(rough) < before + more):
            time.sleep(0.002)
        if process.poll() is not None:
            assert process.returncode == 0, process.stderr.read().decode()  # type: ignore[union-attr]
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    print(f"\n{kills} kills")
    assert kills >= KILLS // 2
    assert traces(rough) == traces(quiet)
    assert len(traces(quiet)) == 12
    assert not list((rough / "journal").glob("*.journal"))
