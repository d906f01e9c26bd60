"""Responses as rows: one response or rejection of one neuron in one trial, checked against what is known."""

from collections.abc import Sequence
from dataclasses import dataclass

from amb.errors import LabError, unknown
from amb.lab.history import History


@dataclass(frozen=True)
class Row:
    """A neuron's response in a trial.

    Attributes:
        trial: the trial's number.
        neuron: its name.
        value: the response, a finite number; None if the trial was rejected.
        stimuli: what was presented, by the file or request that the row is from; empty if it does not say.
    """

    trial: int
    neuron: str
    value: float | None
    stimuli: frozenset[str] = frozenset()


def new_rows(rows: Sequence[Row], history: History) -> list[Row]:
    """The rows that are not recorded yet, each once.

    Raises:
        LabError: a trial was never presented, or with another stimulus, a neuron is unknown, a row contradicts another
            or what is recorded, or its block was closed without it.
    """
    new: dict[tuple[int, str], Row] = {}
    for row in rows:
        key = row.trial, row.neuron
        if not 1 <= row.trial <= len(history.trials):
            so_far = f"trials so far: 1 to {len(history.trials)}" if history.trials else "no block was made yet"
            raise LabError(f"there is no trial {row.trial}; {so_far}")
        if row.neuron not in history.experiment.neurons:
            raise unknown("neuron", row.neuron, history.experiment.neurons, LabError)
        presented = history.trials[row.trial - 1].stimulus
        for stated in sorted(row.stimuli - {presented}):
            if history.presentations(stated):  # other texts are the user's own
                raise LabError(
                    f"trial {row.trial} showed {presented}, not {stated}; nothing of this file was recorded; "
                    "the rows are of other trials, so number them as in presentations.csv, and tell it again"
                )
        if key in new:
            if new[key].value != row.value:
                raise _contradiction(row, new[key].value, "in the same file")
            continue
        if history.recorded(*key):
            if history.value(*key) != row.value:
                raise _contradiction(row, history.value(*key), "before")
            continue
        block = history.trials[row.trial - 1].block
        if block in history.closed:
            raise LabError(
                f"trial {row.trial} is lost: block {block} was closed without it, and the solvers went on; leave it out"
            )
        new[key] = row
    return list(new.values())


def _contradiction(row: Row, before: float | None, where: str) -> LabError:
    return LabError(
        f"trial {row.trial} of {row.neuron} has the response {_shown(row.value)}, but {_shown(before)} {where}; "
        "nothing of this file was recorded: correct it, and tell it again"
    )


def _shown(value: float | None) -> str:
    return "rejected" if value is None else repr(value)
