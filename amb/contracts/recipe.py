"""The training contract: what the entry-point group `amb.recipes` offers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class TrainingProgress:
    """The progress of a training.

    Attributes:
        step, steps: optimizer steps done and planned.
        metrics: the latest values, by name.
    """

    step: int
    steps: int
    metrics: Mapping[str, float]


class Recipe(Protocol):
    """A function that trains one network and exports its checkpoint with a model card."""

    def __call__(
        self,
        *,
        name: str,
        data: Path,
        out: Path,
        seed: int,
        device: str,
        minutes: float | None,
        resume: bool,
        progress: Callable[[TrainingProgress], None],
    ) -> None:
        """Train `name` on the data sets in `data`; store state and results in `out`.

        Args:
            name: the checkpoint's name.
            data: folder of the data sets.
            out: folder for state, checkpoint, card and sample sheets.
            seed: two trainings with the same seed begin with the same steps.
            device: "cpu" or "cuda".
            minutes: stop after this time, with all state saved; None: train to the end.
            resume: continue from the state in `out`, if there is one.
            progress: called every few steps.
        """
