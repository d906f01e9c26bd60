"""A simulated subject that takes part in an experiment: it answers the open block with a file, as a rig would."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from amb.errors import LabError
from amb.lab.csv_files import END
from amb.lab.experiment import Experiment
from amb.lab.laboratory import LOCK, Block, Laboratory
from amb.lab.matlab import HEADER
from amb.lab.subject import FILE, SpikeTrain, Subject, new_settings, read_subject
from amb.study.durable import make_folder, write_whole
from amb.study.links import refuse_outside
from amb.study.lock import claim, unlocked
from amb.study.untrusted import read_bytes

RESPONSES = "responses"
Format = Literal["csv", "parquet", "mat"]


def subject_of(
    lab: Laboratory, problems: Sequence[str] = (), *, seed: int | None = None, lost: float | None = None
) -> Subject:
    """The subject of an experiment; `subject.toml` is made from the problems if there is none yet.

    Raises:
        LabError: there is neither a file nor a problem, or the file was made for other problems, with another seed or
            with another probability of a lost trial.
    """
    path = lab.folder / FILE
    if problems:
        text = new_settings(lab.experiment.neurons, problems, seed=seed or 0, lost=lost)
        with claim(lab.folder / LOCK, wait=True) or unlocked():
            if not path.exists():
                write_whole(path, text, error=LabError)
        if [n.problem for n in read_subject(path).neuron] != list(problems):
            raise LabError(f"{path} has other neurons; edit it, or delete it and repeat the command")
    elif not path.exists():
        raise LabError(
            f"{lab.shown} has no {FILE}; name a problem for each neuron, as in "
            "--problems cifar10-sngan/snn-cnn/sn1/0..2"
        )
    settings = read_subject(path)
    for name, stated, known in (("seed", seed, settings.seed), ("lost", lost, settings.effects.lost)):
        if stated not in (None, known):
            raise LabError(f"{path} states {name} = {known}, not {stated}; edit it, or leave out --{name}")
    return Subject(settings, lab.experiment)


def answer(lab: Laboratory, subject: Subject, block: Block, *, kind: Format = "csv", spikes: bool = False) -> Path:
    """Write the responses to a block into `responses/`, and return the file, which is there whole or not at all.

    Args:
        lab: the experiment.
        subject: who responds.
        block: to what.
        kind: the type of file.
        spikes: write spike times instead of responses.
    """
    refuse_outside(lab.folder, [RESPONSES], LabError)
    trains = subject.answer(lab.folder, block.number)
    folder = lab.folder / RESPONSES
    try:
        make_folder(folder)
    except OSError as cause:
        raise LabError(f"cannot make {folder}: {cause.strerror or cause}") from cause
    path = folder / f"block-{block.number:03d}.{kind}"
    columns = _spikes(trains) if spikes else _responses(trains, lab.experiment)
    if kind == "mat":
        content = _mat(trains, lab.experiment, spikes=spikes)
    else:
        end = f"{END}\n" if kind == "csv" and (spikes or lab.experiment.response.end_row) else ""
        content = _table(columns, kind) + end.encode()
    _refuse_others_responses(path, content, dated=HEADER if kind == "mat" else 0)
    write_whole(path, content, error=LabError)
    return path


def _refuse_others_responses(path: Path, content: bytes, *, dated: int) -> None:
    """A rig's responses have the same name, and cannot be measured again; the first `dated` bytes may differ."""
    found: bytes | None
    try:
        found = read_bytes(path, len(content), links=True)
    except FileNotFoundError:
        return
    except OSError:  # larger, or no file
        found = None
    if found is None or found[dated:] != content[dated:]:
        raise LabError(
            f"{path} holds other responses than the simulated subject's; move it elsewhere if they are not a rig's"
        )


def response_of(train: SpikeTrain, experiment: Experiment) -> float:
    """The rate in the experiment's counting window, in spikes per second; NaN if the trial was lost."""
    if train.times is None:
        return float("nan")
    start, end = experiment.response.window
    return float(((train.times >= start) & (train.times < end)).sum() / ((end - start) / 1000))


def _responses(trains: Sequence[SpikeTrain], experiment: Experiment) -> dict[str, list[object]]:
    """A row per trial and a column per neuron; empty where the trial was lost."""
    columns: dict[str, list[object]] = {"trial": [*sorted({train.trial for train in trains})]}
    for train in sorted(trains, key=lambda train: train.trial):
        value = response_of(train, experiment)
        columns.setdefault(train.neuron, []).append(None if np.isnan(value) else value)
    return columns


def _spikes(trains: Sequence[SpikeTrain]) -> dict[str, list[object]]:
    """A row per spike; one without a time for a trial that had none, or was lost."""
    rows = [
        (train.trial, train.neuron, time, int(train.times is None))
        for train in trains
        for time in ([None] if train.times is None or not len(train.times) else train.times.tolist())
    ]
    names = ("trial", "neuron", "time", "rejected")
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def _table(columns: dict[str, list[object]], kind: str) -> bytes:
    import pandas as pd

    frame, buffer = pd.DataFrame(columns), io.BytesIO()
    if kind == "parquet":
        frame.to_parquet(buffer, index=False)
    else:
        frame.to_csv(buffer, index=False)
    return buffer.getvalue()


def _mat(trains: Sequence[SpikeTrain], experiment: Experiment, *, spikes: bool) -> bytes:
    """Variables `trial`, `neuron`, and a matrix or cell array of trials by neurons."""
    from scipy.io import savemat

    trials = sorted({train.trial for train in trains})
    cells = np.empty((len(trials), len(experiment.neurons)), dtype=object if spikes else np.float64)
    for train in trains:
        at = train.trial - trials[0], experiment.neurons.index(train.neuron)
        cells[at] = (np.nan if train.times is None else train.times) if spikes else response_of(train, experiment)
    names = np.array(experiment.neurons, dtype=object)
    buffer = io.BytesIO()
    variables = {"trial": np.array(trials, dtype=np.float64)[:, None], "neuron": names}
    savemat(buffer, {**variables, "spikes" if spikes else "response": cells}, do_compression=True)
    return buffer.getvalue()
