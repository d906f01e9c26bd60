"""Rehearsals with the simulated subject: reproducible, in every format, and not even SIGKILL changes how they end."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import amb
from amb.errors import LabError, SpecError
from amb.lab.laboratory import Laboratory
from amb.lab.rehearsal import answer, response_of, subject_of
from amb.lab.response_files import read_responses
from amb.lab.subject import Subject, read_subject

from .conftest import new_experiment

PROBLEMS = ["toy/snn-cnn/sn1/0", "toy/snn-cnn/sn1/1"]


def rehearsal(folder: Path, lost: float = 0.2) -> Laboratory:
    lab = new_experiment(folder, neurons=("a", "b"), references=1, changes={"repeats = 2": "repeats = 1"})
    subject_of(lab, PROBLEMS, lost=lost)
    return lab


def change_subject(lab: Laboratory, **numbers: float) -> None:
    path = lab.folder / "subject.toml"
    lines = path.read_text().splitlines()
    for name, value in numbers.items():
        assert any(line.startswith(f"{name} = ") for line in lines), name
        lines = [f"{name} = {value}" if line.startswith(f"{name} = ") else line for line in lines]
    path.write_text("\n".join(lines))


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ({"strong": 1e-9}, "spikes in a trial; the limit is 100,000: raise strong"),
        ({"baseline": 1e5, "latency": 6e4, "duration": 6e4}, "spikes in a trial; the limit is 100,000"),
        ({"baseline": 9e4, "latency": 500.0}, "a block would have"),
    ],
)
def test_more_spikes_than_recordings_have_are_refused_before_memory_is_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch, numbers: dict[str, float], why: str
) -> None:
    """Each number was within its limit; their product was 6e15 spikes a trial."""
    monkeypatch.setattr("amb.lab.subject.MOST_OF_BLOCK", 1_000_000)
    lab = rehearsal(folder)
    change_subject(lab, **numbers)
    block = lab.next_block()
    assert block is not None
    monkeypatch.setattr(Subject, "_spikes", lambda *_: pytest.fail("drawn"))
    with pytest.raises(LabError, match=rf"subject\.toml: .*{why}"):
        subject_of(lab).answer(lab.folder, block.number)


def test_a_subject_that_exists_is_not_made_another(folder: Path) -> None:
    """What `--seed` and `--lost` state counts for a new subject; of one that exists its file says it."""
    lab = rehearsal(folder)
    assert subject_of(lab, PROBLEMS, seed=0, lost=0.2)  # the same command again
    with pytest.raises(LabError, match=r"subject\.toml states seed = 0, not 5; edit it, or leave out --seed"):
        subject_of(lab, PROBLEMS, seed=5)
    with pytest.raises(LabError, match=r"subject\.toml states lost = 0\.2, not 0\.3"):
        subject_of(lab, lost=0.3)


@pytest.mark.usefixtures("one_thread")
def test_every_format_says_the_same(folder: Path) -> None:
    lab = rehearsal(folder)
    block, subject = lab.next_block(), subject_of(lab)
    assert block is not None
    read = []
    for kind in ("csv", "parquet", "mat"):
        for spikes in (False, True):
            file = answer(lab, subject, block, kind=kind, spikes=spikes)
            read.append(sorted(read_responses(file, lab.experiment), key=lambda row: (row.trial, row.neuron)))
            file.unlink()
    assert all(rows == read[0] for rows in read)
    assert {(row.trial, row.neuron) for row in read[0]} == {(n, name) for n in block.trials for name in ("a", "b")}
    lost = {row.trial for row in read[0] if row.value is None}
    assert 0 < len(lost) < len(block.trials) / 2
    assert all((row.value is None) == (row.trial in lost) for row in read[0])  # a trial is lost for all neurons


@pytest.mark.usefixtures("one_thread")
def test_a_trial_does_not_depend_on_when_the_subject_was_started(folder: Path) -> None:
    """Adaptation reaches into the block before, also for a subject that did not answer it itself."""
    lab = rehearsal(folder)
    steady = subject_of(lab)
    for _ in range(2):
        block = lab.next_block()
        assert block is not None
        file = answer(lab, steady, block)
        again = answer(lab, subject_of(lab), block, kind="parquet")
        assert read_responses(file, lab.experiment) == read_responses(again, lab.experiment)
        lab.tell(read_responses(file, lab.experiment), source="x")


@pytest.mark.usefixtures("one_thread")
def test_the_subject_responds_to_what_it_sees(folder: Path) -> None:
    """Without randomness in its way, the rates follow the activations of the pictures."""
    lab = rehearsal(folder, lost=0.0)
    change_subject(lab, drift=0, adaptation=0, burst=1, rate=20_000, baseline=0, latency=50, duration=200)
    block = lab.next_block()
    assert block is not None
    settings = read_subject(folder / "subject.toml")
    seen = {t.number: t.stimulus for t in lab.history.trials}
    for neuron in settings.neuron:
        problem = amb.problem(neuron.problem)
        rates = [response_of(t, lab.experiment) for t in subject_of(lab).answer(folder, 1) if t.neuron == neuron.name]
        candidates = [(n, lab.history.candidates[s].levels) for n, s in seen.items() if s in lab.history.candidates]
        activations = problem.evaluate(np.array([levels for _, levels in candidates]))
        observed = np.array([rates[n - 1] for n, _ in candidates])
        expected = activations / neuron.strong * neuron.rate
        poisson = np.sqrt(expected * 0.2) / 0.2  # of a count in 200 ms
        assert np.abs((observed - expected) / poisson).max() < 5


@pytest.mark.usefixtures("one_thread")
def test_a_late_response_is_missed_by_an_early_window(folder: Path) -> None:
    lab = rehearsal(folder, lost=0.0)
    change_subject(lab, latency=400, baseline=0)
    assert lab.next_block() is not None
    trains = subject_of(lab).answer(folder, 1)
    assert sum(len(t.times) for t in trains if t.times is not None) > 100
    assert all(response_of(train, lab.experiment) == 0 for train in trains)


def test_a_subject_that_does_not_fit_is_explained(folder: Path) -> None:
    lab = new_experiment(folder, neurons=("a", "b"))
    with pytest.raises(LabError, match=r"has no subject\.toml; name a problem for each neuron"):
        subject_of(lab)
    with pytest.raises(LabError, match="2 neurons need as many problems, got 1"):
        subject_of(lab, PROBLEMS[:1])
    with pytest.raises(SpecError, match=r"lost must be a number from 0 to 1, got 1\.5"):
        subject_of(lab, PROBLEMS, lost=1.5)
    assert not (folder / "subject.toml").exists()
    subject_of(lab, PROBLEMS)
    with pytest.raises(LabError, match="has other neurons"):
        subject_of(lab, PROBLEMS[::-1])


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "amb", "lab", *map(str, words)]


def choices(folder: Path) -> tuple:
    """Everything that was presented, recorded and chosen, without times of day."""
    history = Laboratory(folder).history
    names = history.experiment.neurons
    values = [history.value(trial.number, neuron) for trial in history.trials for neuron in names]
    best = [history.best([neuron]) for neuron in names]
    return history.trials, list(history.candidates.values()), values, [b.asks for b in history.blocks], best


@pytest.mark.slow
def test_the_guides_evening_is_the_same_if_its_command_is_killed(tmp_path: Path) -> None:
    """`amb lab simulate --all` with the guide's network, 400 trials of three neurons, 10% of them lost.

    kill -9 hits the command itself, a fresh interpreter each time, when the journal has grown by some random amount.
    """
    quiet, rough = tmp_path / "quiet", tmp_path / "rough"
    for folder in (quiet, rough):
        subprocess.run(command("new", folder, "--neurons", "n1,n2,n3", "--trials", 400), check=True)
    problems = ["--problems", "cifar10-sngan/snn-cnn/sn1/0..2", "--lost", "0.1"]
    subprocess.run(command("simulate", quiet, *problems, "--all"), check=True, stdout=subprocess.DEVNULL)
    whole = (quiet / "journal.jsonl").stat().st_size
    rng = np.random.default_rng(0)
    kills = 0

    def size() -> int:
        journal = rough / "journal.jsonl"
        return journal.stat().st_size if journal.exists() else 0

    while True:
        enough = size() + int(rng.integers(1, whole // 6))
        process = subprocess.Popen(command("simulate", rough, *problems, "--all"), stdout=subprocess.DEVNULL)
        while process.poll() is None and size() < enough:
            time.sleep(0.002)
        if process.poll() is not None:
            assert process.returncode == 0
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    print(f"\n{kills} kills")
    assert kills >= 5
    assert choices(rough) == choices(quiet)
    lost = sum(value is None for value in choices(quiet)[2])
    assert 0.05 < lost / len(choices(quiet)[2]) < 0.15


@pytest.mark.parametrize("kind", ["csv", "parquet", "mat"])
def test_a_simulated_subject_replaces_only_its_own_responses(folder: Path, kind: str) -> None:
    """A rig's have the same name. Its own it may write again: the same bytes, but for a date."""
    lab = rehearsal(folder)
    subject, block = subject_of(lab), lab.next_block()
    assert block is not None
    path = answer(lab, subject, block, kind=kind)
    assert answer(lab, subject, block, kind=kind) == path
    path.write_text("REAL DATA")
    with pytest.raises(LabError, match="holds other responses"):
        answer(lab, subject, block, kind=kind)
    assert path.read_text() == "REAL DATA"


def test_a_subject_with_two_neurons_of_one_name_is_refused(folder: Path) -> None:
    lab = rehearsal(folder)
    file = lab.folder / "subject.toml"
    again = f'[[neuron]]\nname = "a"\nproblem = "{PROBLEMS[1]}"\n\n[effects]'
    file.write_text(file.read_text().replace("[effects]", again))
    with pytest.raises(LabError, match=r"subject\.toml: neuron 'a' is listed twice"):
        subject_of(lab)
