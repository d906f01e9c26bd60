"""SIGKILL at random moments: every final trace equals the undisturbed study's, to the bit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

KILLING = Path(__file__).with_name("killing.py")
KILLING_POPULATION = Path(__file__).with_name("killing_population.py")


def kill(folder: Path, *words: str, script: Path = KILLING) -> dict:
    done = subprocess.run(
        [sys.executable, str(script), str(folder), *words], capture_output=True, text=True, check=False, timeout=1500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_a_few_kills_change_no_trace(tmp_path: Path) -> None:
    found = kill(tmp_path, "--kills", "6", "--budget", "60")
    assert found["same"]
    assert found["kills"] >= 6


def test_kills_change_no_recording_of_several_neurons(tmp_path: Path) -> None:
    """Six neurons, five solvers, with and without learning from each other's stimuli."""
    found = kill(tmp_path, script=KILLING_POPULATION)
    assert found["same"]
    assert found["kills"] >= 3


@pytest.mark.slow
def test_three_hundred_kills_of_nine_solvers_change_no_trace(tmp_path: Path) -> None:
    found = kill(tmp_path, "--kills", "300", "--seed", "1")
    assert found["same"]
    assert found["kills"] >= 300
    assert sum(count >= 20 for count in found["runs_killed"].values()) >= 6
