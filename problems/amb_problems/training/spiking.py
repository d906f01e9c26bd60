"""Training of the spiking targets: `amb train snn-cnn`, `amb train snn-resnet18`."""

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor, nn

from amb.contracts.recipe import TrainingProgress
from amb.errors import DataError, unknown
from amb_problems import data
from amb_problems.targets.lif import LIF
from amb_problems.targets.networks import NETWORKS, Firing, TargetNetwork
from amb_problems.training import state
from amb_problems.training.classifier import ClassifierRecipe, ClassifierTraining, Phase
from amb_problems.training.export import TargetFacts, export
from amb_problems.training.surrogate import SurrogateLIF

SMOOTHING = 0.05
"""Label smoothing of both losses."""


def rate_loss(network: TargetNetwork, last: Firing, labels: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the output neurons' spike rates and of their mean currents, so that silent neurons learn too.

    Rates lie in [0, 1]; the factor lets them tell ten classes apart. The scores are the rates, ties broken by currents.
    """
    currents, rates = (x.float().unflatten(0, (max(frames, 1), -1)).mean(0) for x in (last.currents, last.spikes))
    loss = nn.functional.cross_entropy(8 * currents, labels, label_smoothing=SMOOTHING)
    if frames:
        loss = loss + nn.functional.cross_entropy(8 * rates, labels, label_smoothing=SMOOTHING)
    return loss, (rates + 1e-3 * currents).detach()


def readout_loss(network: TargetNetwork, last: Firing, labels: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the readout, averaged over the frames; the scores are that average."""
    scores = network.readout(last).float().unflatten(0, (max(frames, 1), -1)).mean(0)
    return nn.functional.cross_entropy(scores, labels, label_smoothing=SMOOTHING), scores.detach()


@dataclass(frozen=True)
class TargetRecipe:
    """What is trained, on which images, and how."""

    dataset: data.DatasetName
    facts: TargetFacts
    classifier: ClassifierRecipe


RECIPES: Mapping[str, TargetRecipe] = MappingProxyType(
    {
        "snn-cnn": TargetRecipe(
            "cifar10",
            TargetFacts(
                "SpikingCNN",
                {"widths": (64, 64)},
                LIF(strict=True),
                100,
                "number of spikes of `out`; currents break ties",
            ),
            ClassifierRecipe((Phase(0, 12, 0.03), Phase(5, 6, 0.03)), rate_loss),
        ),
        "snn-resnet18": TargetRecipe(
            "cifar10",
            TargetFacts("SpikingResNet18", {"width": 32}, LIF(), 20, "output of `fc`, mean over the frames"),
            ClassifierRecipe((Phase(0, 10, 0.2), Phase(2, 10, 0.1), Phase(4, 3, 0.04)), readout_loss),
        ),
    }
)
"""The trainings by the name of the checkpoint that they make. To train one longer, append a phase and resume."""

_REPORT_STEPS = 20
_SAVE_SECONDS = 120.0


def new_network(facts: TargetFacts, *, seed: int) -> TargetNetwork:
    """An untrained network with batch norms and surrogate neurons; its weights follow from `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # torch's initializers take no generator; the caller's state is restored
        return NETWORKS[facts.network](
            lambda: SurrogateLIF(decay=facts.lif.decay, threshold=facts.lif.threshold, strict=facts.lif.strict),
            **facts.arguments,
        )


def train(
    *,
    name: str,
    data: Path,
    out: Path,
    seed: int,
    device: str,
    minutes: float | None,
    resume: bool = True,
    progress: Callable[[TrainingProgress], None],
) -> None:
    """Train the target `name` and write its exact checkpoint and card into `out`.

    The state is kept in `out` every two minutes and after every phase, and taken up again with `resume`. The
    checkpoint is written after every phase with spikes and when `minutes` are over; the card says how far it was.

    Raises:
        SpecError: no such target.
        DataError: the images or the saved state cannot be read, or belong to another training.
    """
    if name not in RECIPES:
        raise unknown("target to train", name, RECIPES)
    _Sitting(name, RECIPES[name], data, out, seed, device).run(minutes, resume, progress)


class _Sitting:
    """One process's share of a training."""

    def __init__(self, name: str, recipe: TargetRecipe, folder: Path, out: Path, seed: int, device: str) -> None:
        self.name, self.recipe, self.out, self.seed = name, recipe, out, seed
        self.images = data.load(recipe.dataset, folder)
        self.training = ClassifierTraining(
            new_network(recipe.facts, seed=seed),
            recipe.classifier,
            torch.from_numpy(self.images.train_images),
            torch.from_numpy(self.images.train_labels),
            seed=seed,
            device=device,
        )
        self.file = out / f"{name}.state.safetensors"

    def run(self, minutes: float | None, resume: bool, progress: Callable[[TrainingProgress], None]) -> None:
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
            if (ended or timeout) and self.recipe.classifier.phases[step.phase].frames:
                self._export()
            if timeout:
                return

    def _restore(self, tensors: dict[str, Tensor], position: dict[str, int]) -> None:
        if position.get("seed") != self.seed:
            raise DataError(
                f"{self.file} was trained with seed {position.get('seed')}, not {self.seed}; "
                "give that seed, or another folder to start anew"
            )
        self.training.restore(tensors, position["phase"], position["step"])

    def _save(self) -> None:
        position = {"phase": self.training.phase, "step": self.training.step, "seed": self.seed}
        state.save_state(self.file, self.training.tensors(), position)

    def _export(self) -> None:
        recipe = self.recipe.classifier
        facts = {
            "recipe": {key: value for key, value in asdict(recipe).items() if key != "loss"}
            | {"loss": recipe.loss.__name__, "label smoothing": SMOOTHING},
            "seed": self.seed,
            "steps": self.training.done_steps,
            "steps planned": self.training.total_steps,
            "date": datetime.now(UTC).date().isoformat(),
        }
        # A copy: the statistics measured for the export must not reach the training.
        network = copy.deepcopy(self.training.network).cpu()
        export(network, self.recipe.facts, self.images, self.out / self.name, facts)
