"""One process's share of a classifier's training: resume, report, keep the state, export."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor, nn

from amb.contracts.recipe import TrainingProgress
from amb.errors import DataError
from amb_problems.data.image_sets import Dataset
from amb_problems.training import state
from amb_problems.training.classifier import ClassifierRecipe, ClassifierTraining, Phase

SMOOTHING = 0.05
"""Label smoothing of all losses."""

_REPORT_STEPS = 20
_SAVE_SECONDS = 120.0

Export = Callable[[nn.Module, Dataset, Path, Mapping[str, object]], object]
"""(network in training, data, path of the checkpoint, facts about the training) writes the checkpoint and card."""


@dataclass(frozen=True)
class Place:
    """Where and on what a sitting takes place.

    Attributes:
        name: of the checkpoint.
        images: to train and test on.
        out: folder of state, checkpoint and card.
        seed: fixes every random decision.
        device: "cpu" or "cuda".
    """

    name: str
    images: Dataset
    out: Path
    seed: int
    device: str


class Sitting:
    """Trains a network until its phases, or the minutes, are over; the state is kept every two minutes.

    The checkpoint is written at the end of every phase that `exports`, and when the minutes are over in one.

    Raises:
        DataError: a saved state that cannot be read, or belongs to another training.
    """

    def __init__(
        self,
        place: Place,
        network: nn.Module,
        recipe: ClassifierRecipe,
        export: Export,
        *,
        exports: Callable[[Phase], bool] = lambda phase: True,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        self.place, self.recipe, self.export, self.exports = place, recipe, export, exports
        self.facts = facts or {}
        self.training = ClassifierTraining(
            network,
            recipe,
            torch.from_numpy(place.images.train_images),
            torch.from_numpy(place.images.train_labels),
            seed=place.seed,
            device=place.device,
        )
        self.file = place.out / f"{place.name}.state.safetensors"

    def run(self, minutes: float | None, resume: bool, progress: Callable[[TrainingProgress], None]) -> None:
        """Take the steps that are left, or as many as `minutes` allow."""
        if resume and (stored := state.load_state(self.file)):
            self._restore(*stored)
        training, started = self.training, time.monotonic()
        saved = started
        for step in training.run():
            now = time.monotonic()
            ended = step.step == step.steps
            timeout = minutes is not None and now - started > 60 * minutes
            if step.step % _REPORT_STEPS == 0 or ended:
                metrics = {"loss": step.loss, "accuracy": step.accuracy, "phase": float(step.phase)}
                progress(TrainingProgress(training.done_steps, training.total_steps, metrics))
            if ended or timeout or now - saved > _SAVE_SECONDS:
                self._save()
                saved = now
            if (ended or timeout) and self.exports(self.recipe.phases[step.phase]):
                self.export(training.network, self.place.images, self.place.out / self.place.name, self._facts())
            if timeout:
                return

    def _restore(self, tensors: dict[str, Tensor], position: dict[str, int]) -> None:
        seed = self.place.seed
        if position.get("seed") != seed:
            raise DataError(
                f"{self.file} was trained with seed {position.get('seed')}, not {seed}; "
                "give that seed, or another folder to start anew"
            )
        self.training.restore(tensors, position["phase"], position["step"])

    def _save(self) -> None:
        position = {"phase": self.training.phase, "step": self.training.step, "seed": self.place.seed}
        state.save_state(self.file, self.training.tensors(), position)

    def _facts(self) -> Mapping[str, object]:
        recipe = {key: value for key, value in asdict(self.recipe).items() if key != "loss"}
        return {
            "recipe": recipe | {"loss": self.recipe.loss.__name__, "label smoothing": SMOOTHING, **self.facts},
            "precision": self.training.precision,
            "seed": self.place.seed,
            "steps": self.training.done_steps,
            "steps planned": self.training.total_steps,
            "date": datetime.now(UTC).date().isoformat(),
        }
