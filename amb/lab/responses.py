"""Responses as rows: one response or rejection of one neuron in one trial, checked against what is known."""

from collections.abc import Sequence
from dataclasses import dataclass

from amb.errors import LabError, unknown
from amb.lab.history import History


@dataclass(frozen=True, slots=True)
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
        _refuse_impossible(row, history)
        if key in new:
            if new[key].value != row.value:
                raise _contradiction(row, new[key].value, "in the same file")
            continue
        block = history.trials[row.trial - 1].block
        if history.recorded(*key):
            if history.value(*key) != row.value:
                raise _other_than_recorded(row, block, history)
            continue
        if block in history.closed:
            raise LabError(
                f"trial {row.trial} is lost: block {block} was closed without it, and the solvers went on; leave it "
                f"out, or add it by `amb lab correct ... --block {block}`"
            )
        new[key] = row
    return list(new.values())


def corrected_rows(rows: Sequence[Row], block: int, history: History) -> tuple[list[Row], list[Row]]:
    """The rows of a correction, each once: those that differ from what counts, and those that are not recorded yet.

    Raises:
        LabError: a trial was never presented, or with another stimulus, or in another block, a neuron is unknown, or a
            row contradicts another.
    """
    if not 1 <= block <= len(history.blocks):
        raise LabError(f"there is no block {block} to correct; blocks so far: {len(history.blocks)}")
    seen: dict[tuple[int, str], Row] = {}
    for row in rows:
        key = row.trial, row.neuron
        _refuse_impossible(row, history)
        if (other := history.trials[row.trial - 1].block) != block:
            raise LabError(
                f"trial {row.trial} belongs to block {other}, not to block {block}; nothing was corrected: give each "
                "block's rows in a file of their own"
            )
        if seen.setdefault(key, row).value != row.value:
            raise _contradiction(row, seen[key].value, "in the same file")
    settled = {key: history.recorded(*key) or block in history.closed for key in seen}
    changed = [row for key, row in seen.items() if settled[key] and history.value(*key) != row.value]
    return changed, [row for key, row in seen.items() if not settled[key]]


def _refuse_impossible(row: Row, history: History) -> None:
    """Refuse a row of a trial that was never presented, or with another stimulus, or of an unknown neuron."""
    if not 1 <= row.trial <= len(history.trials):
        so_far = f"trials so far: 1 to {len(history.trials)}" if history.trials else "no block was made yet"
        raise LabError(f"there is no trial {row.trial}; {so_far}")
    if row.neuron not in history.neurons:
        raise unknown("neuron", row.neuron, history.experiment.neurons, LabError)
    presented = history.trials[row.trial - 1].stimulus
    for stated in sorted(row.stimuli - {presented}):
        if history.presented(stated) not in (None, presented):  # other texts are the user's own
            raise LabError(
                f"trial {row.trial} showed {presented}, not {stated}; nothing of this file was recorded; "
                "the rows are of other trials, so number them as in presentations.csv, and tell it again"
            )


def _other_than_recorded(row: Row, block: int, history: History) -> LabError:
    """Why a row is refused that differs from what is recorded; an old file may hold what was corrected since."""
    for one in reversed(history.corrections):
        rows = zip(one.trials, one.neurons, one.before, strict=True)
        if any((trial, neuron, before) == (row.trial, row.neuron, row.value) for trial, neuron, before in rows):
            return LabError(
                f"trial {row.trial} of {row.neuron} had the response {_shown(row.value)} until it was corrected to "
                f"{_shown(history.value(row.trial, row.neuron))} ({one.reason}); nothing of this file was recorded: "
                "move it away"
            )
    contradiction = _contradiction(row, history.value(row.trial, row.neuron), "before")
    return LabError(f"{contradiction}; if what is recorded is wrong: `amb lab correct ... --block {block}`")


def _contradiction(row: Row, before: float | None, where: str) -> LabError:
    return LabError(
        f"trial {row.trial} of {row.neuron} has the response {_shown(row.value)}, but {_shown(before)} {where}; "
        "nothing of this file was recorded: correct it, and tell it again"
    )


def _shown(value: float | None) -> str:
    return "rejected" if value is None else repr(value)
