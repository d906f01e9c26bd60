"""docs/guides/lab.md works as written: the rehearsal, and the rig loops against a server."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from amb.lab.laboratory import Laboratory

from .conftest import new_experiment
from .test_server import TOKEN, serving

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guides" / "lab.md").read_text(encoding="utf-8")


def block(language: str, containing: str) -> str:
    found = [b for b in re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL) if containing in b]
    assert len(found) == 1
    return str(found[0])


def answers(folder: Path) -> tuple[dict, dict]:
    """What was presented, and the responses."""
    history = Laboratory(folder).history
    shown = {trial.number: (trial.stimulus, trial.kind) for trial in history.trials}
    return shown, {n: tuple(history.value(n, neuron) for neuron in ("a", "b")) for n in shown}


def small(folder: Path) -> Laboratory:
    return new_experiment(folder, neurons=("a", "b"), trials=60, changes={"repeats = 2": "repeats = 1"})


def test_the_loops_are_as_long_as_promised() -> None:
    """About 20 lines, so that a laboratory can read them."""
    assert len(block("matlab", "function rig").splitlines()) <= 20
    assert len([line for line in block("python", "def rig").splitlines() if line.strip()]) <= 20


def test_the_python_loop_carries_an_experiment_to_its_end(folder: Path) -> None:
    pytest.importorskip("requests", reason="the loop of the guide uses it")
    small(folder)
    namespace: dict = {}
    exec(block("python", "def rig"), namespace)
    calls = []

    def present(picture):  # type: ignore[no-untyped-def]
        calls.append(picture.shape)
        if len(calls) == 20:
            raise RuntimeError("the rig fails")
        return [float("nan") if len(calls) % 7 == 0 else float(picture.mean()), float(picture[..., 0].mean())]

    with serving(folder, "--token", TOKEN) as (address, _), pytest.raises(RuntimeError, match="the rig fails"):
        namespace["rig"](f"http://{address}", TOKEN, present)
    # The server was killed, too.
    with serving(folder, "--token", TOKEN) as (address, _):
        namespace["rig"](f"http://{address}", TOKEN, present)
    shown, values = answers(folder)
    assert len(shown) > 50
    assert set(calls) == {(40, 48, 3)}
    assert len(calls) == len(shown) + 1  # after the failure, only what was missing was presented
    assert sum(first is None for first, _ in values.values()) == len(calls) // 7
    assert all(second is not None for _, second in values.values())


@pytest.mark.skipif(shutil.which("octave-cli") is None, reason="GNU Octave (octave-cli) is not installed")
def test_the_matlab_loop_carries_an_experiment_to_its_end(folder: Path, tmp_path: Path) -> None:
    """Executed by GNU Octave; the stimuli are those of the same experiment with the loop in Python."""
    small(folder)
    (tmp_path / "rig.m").write_text(block("matlab", "function rig"))
    (tmp_path / "present.m").write_text(
        "function r = present(picture)\n"
        "  r = [mean(double(picture(:))), mean(mean(double(picture(:, :, 1))))];\n"
        "  if r(1) > 130, r(2) = NaN; end\nend\n"
    )
    with serving(folder, "--token", TOKEN) as (address, _):
        done = subprocess.run(
            ["octave-cli", "--no-gui", "--quiet", "--eval", f"rig('http://{address}', '{TOKEN}', @present)"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    shown, values = answers(folder)
    assert len(shown) > 50
    assert all(first is not None for first, _ in values.values())
    assert all((second is None) == (first > 130) for first, second in values.values() if first is not None)


@pytest.mark.slow
def test_the_rehearsal_runs_as_written(tmp_path: Path) -> None:
    """From nothing to a report."""
    script = tmp_path / "photos.py"
    script.write_text(block("python", "photos"))
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, check=True)
    lines = [line for b in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL) for line in b.splitlines()]
    assert len(lines) >= 9
    for line in lines:
        words = shlex.split(line, comments=True)
        assert words[0] == "amb"
        done = subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    lab = Laboratory(tmp_path / "evening")
    assert len(lab.history.trials) >= 380
    assert (tmp_path / "evening" / "report" / "report.html").stat().st_size > 100_000
    assert json.loads((tmp_path / "evening" / "journal.jsonl").read_text().splitlines()[0])
