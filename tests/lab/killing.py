"""Rehearse an experiment while SIGKILL hits at random moments; run as a script, in a process of its own.

Workers are forked from a parent that has everything imported, so that most kills hit an experiment at work and not an
interpreter that starts. Prints one JSON object: kills, by what the worker was doing, and whether the experiment ended
like an undisturbed one.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from amb.lab.experiment import template
from amb.lab.laboratory import Laboratory, create
from amb.lab.rehearsal import answer, subject_of
from amb.lab.response_files import read_responses

NEURONS = ("n1", "n2", "n3")
PROBLEMS = tuple(f"toy/snn-cnn/sn1/{unit}" for unit in range(3))


def experiment(folder: Path, trials: int) -> None:
    text = template(generator="toy", neurons=NEURONS, solver="cma", together=False, trials=trials, seed=1)
    for old, new in {"width = 256": "width = 32", "height = 256": "height = 32", "size = 256": "size = 32",
                     "repeats = 2": "repeats = 1", "candidates = 20": "candidates = 4"}.items():  # fmt: skip
        text = text.replace(old, new)
    create(folder, text)
    subject_of(Laboratory(folder), PROBLEMS, lost=0.1)


def work(folder: Path, note) -> None:  # type: ignore[no-untyped-def]
    """One trial after another until the budget is spent; `note` says what is being done."""
    note(b"o")
    lab = Laboratory(folder)
    subject = subject_of(lab)
    while True:
        note(b"n")
        block = lab.next_block()
        if block is None:
            return
        note(b"a")
        file = answer(lab, subject, block, spikes=block.number % 2 == 0)
        rows = read_responses(file, lab.experiment)
        for part in (rows[: len(rows) // 2], rows):
            note(b"t")
            lab.tell(part, source=file.name)


def ending(folder: Path) -> tuple:
    """Everything that was chosen and recorded, without times of day."""
    history = Laboratory(folder).history
    return (
        history.trials,
        list(history.candidates.values()),
        [history.value(trial.number, neuron) for trial in history.trials for neuron in NEURONS],
        [block.asks for block in history.blocks],
        [history.best([neuron]) for neuron in NEURONS],
        [{p.name: p.read_bytes() for p in sorted(f.iterdir())} for f in sorted((folder / "blocks").iterdir())],
    )


def disturb(folder: Path, rng: np.random.Generator, mean: float) -> Counter:
    """Kill workers until one ends by itself, each after `mean` seconds on average; how often each activity was hit."""
    kills: Counter = Counter()
    doing = folder.parent / "doing"
    while True:
        descriptor = os.open(doing, os.O_RDWR | os.O_CREAT)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                work(folder, lambda what, to=descriptor: os.pwrite(to, what, 0))
                status = 0
            finally:
                os._exit(status)
        time.sleep(rng.exponential(mean))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        what = os.pread(descriptor, 1, 0).decode()
        os.close(descriptor)
        if not os.WIFSIGNALED(status):
            assert status == 0, f"a worker failed with status {status}"
            return kills
        kills[what] += 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)  # a fork must not inherit threads
    quiet, rough = asked.folder / "quiet", asked.folder / "rough"
    experiment(quiet, asked.trials)
    work(quiet, lambda what: None)  # the first one also imports and compiles
    timed = asked.folder / "timed"
    experiment(timed, asked.trials)
    began = time.monotonic()
    work(timed, lambda what: None)
    # So that a fast machine does not finish before it is killed, nor a slow one never get anywhere.
    mean = min(0.2, (time.monotonic() - began) * 20 / asked.trials)
    experiment(rough, asked.trials)
    kills = disturb(rough, np.random.default_rng(asked.seed), mean)
    same = ending(quiet) == ending(rough)
    print(json.dumps({"kills": sum(kills.values()), "hit": dict(kills), "same": same, "blocks": len(ending(quiet)[3])}))
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
