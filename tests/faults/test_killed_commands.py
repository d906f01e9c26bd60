"""SIGKILL of every command that writes: nothing is torn, nothing is lost, and nothing has to be repaired by hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

KILLING = Path(__file__).with_name("killing_commands.py")


def kill(folder: Path, kills: int, *words: str) -> dict:
    command = [sys.executable, str(KILLING), str(folder), "--kills", str(kills), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3000)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("command", ["merge into a new one", "publish again", "leaderboard", "train"])
def test_a_killed_command_can_be_repeated(tmp_path: Path, command: str) -> None:
    found = kill(tmp_path, 3, "--only", command)
    assert found["faults"] == []
    assert found["kills"] == 3


@pytest.mark.slow
def test_three_hundred_kills_of_twelve_commands_lose_nothing(tmp_path: Path) -> None:
    found = kill(tmp_path, 300)
    assert found["faults"] == []
    assert found["kills"] >= 300
    assert len(found["commands"]) == 12
