"""One process's share of a generator's training: the clock, what is written when, and when it ends."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from amb.contracts.recipe import TrainingProgress
from amb.errors import DataError
from amb_problems.training import state

_REPORT_STEPS = 50
_SAVE_SECONDS, _EXPORT_SECONDS = 120.0, 600.0


class Training(Protocol):
    """Networks, optimizers and the number of steps done."""

    done: int

    def advance(self, rate: float) -> Mapping[str, Tensor]:
        """One step at `rate` times the recipe's learning rates; metrics by name."""

    def tensors(self) -> Mapping[str, Tensor]:
        """The whole state."""

    def restore(self, tensors: Mapping[str, Tensor], done: int) -> None:
        """Go on from a saved state after `done` steps."""


@dataclass(frozen=True)
class Place:
    """Where a sitting takes place.

    Attributes:
        name: of the checkpoint.
        out: folder of state, checkpoint, card and sheets.
        seed: fixes every random decision.
    """

    name: str
    out: Path
    seed: int

    @property
    def checkpoint(self) -> Path:
        """Path of the checkpoint, without suffix."""
        return self.out / self.name

    def sheet(self, done: int) -> Path:
        """File of the picture after `done` steps."""
        return self.out / f"{self.name}-{done:06d}.png"


class Sitting:
    """Trains a generator until its steps, or the minutes, are over.

    The state is kept every two minutes; every ten, and at the end, `export` writes checkpoint, card and sheet from
    the facts that it is given. The learning rates stay constant until they fall linearly to zero, which they are
    after the last step.

    Args:
        place: where.
        training: what advances.
        steps: of the whole training.
        cooling: the share of the steps, the last ones, over which the learning rates fall.
        export: (facts for the card, whether the sitting ends) writes the checkpoint.
    """

    def __init__(
        self,
        place: Place,
        training: Training,
        export: Callable[[Mapping[str, object], bool], None],
        *,
        steps: int,
        cooling: float,
    ) -> None:
        self.place, self.training, self.export = place, training, export
        self.steps, self.cooling = steps, cooling
        self.state_file = place.out / f"{place.name}.state.safetensors"
        self.seconds_before = 0.0
        self.started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of training so far, earlier sittings included."""
        return self.seconds_before + time.monotonic() - self.started

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.training.done >= self.steps

    def run(self, minutes: float | None, resume: bool, progress: Callable[[TrainingProgress], None]) -> None:
        """Take the steps that are left, or as many as `minutes` allow.

        Raises:
            DataError: the saved state cannot be read, or is of another seed.
        """
        if resume and (stored := state.load_state(self.state_file)):
            self._restore(*stored)
        self.place.out.mkdir(parents=True, exist_ok=True)
        saved = exported = time.monotonic()
        deadline = self.started + 60 * minutes if minutes is not None else math.inf
        while not self.finished and time.monotonic() < deadline:
            metrics = self.training.advance(min(1.0, (1 - self.training.done / self.steps) / self.cooling))
            if self.training.done % _REPORT_STEPS == 0:
                self._report(progress, {key: float(value) for key, value in metrics.items()})
            if time.monotonic() - saved > _SAVE_SECONDS:
                self._save()
                saved = time.monotonic()
            if time.monotonic() - exported > _EXPORT_SECONDS:
                self.export(self._facts(), False)
                exported = time.monotonic()
        self._save()
        self.export(self._facts(), True)
        self._report(progress, {})

    def _report(self, progress: Callable[[TrainingProgress], None], metrics: dict[str, float]) -> None:
        progress(TrainingProgress(self.training.done, self.steps, metrics))

    def _restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, float]) -> None:
        if facts["seed"] != self.place.seed:
            raise DataError(
                f"{self.state_file} is of a training with seed {facts['seed']}, asked for is {self.place.seed}; "
                "choose another folder, or do not resume"
            )
        self.training.restore(tensors, int(facts["done"]))
        self.seconds_before = facts["seconds"]

    def _save(self) -> None:
        facts = {"done": self.training.done, "seconds": self.seconds, "seed": self.place.seed}
        state.save_state(self.state_file, self.training.tensors(), facts)

    def _facts(self) -> Mapping[str, object]:
        """What the card says about the training's course."""
        return {
            "seed": self.place.seed,
            "steps": self.training.done,
            "training_seconds": round(self.seconds),
            "finished": self.finished,
            "torch": str(torch.__version__),
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
        }
