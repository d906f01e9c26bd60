"""Training of the spiking targets: `amb train snn-cnn`, `amb train snn-resnet18`, `amb train mnist-snn` and so on."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor, nn

from amb.contracts.recipe import TrainingProgress
from amb.errors import unknown
from amb_problems.data import image_sets
from amb_problems.targets.spiking.architectures import NETWORKS, TargetNetwork
from amb_problems.targets.spiking.lif import LIF
from amb_problems.training.classifier import ClassifierRecipe, Phase
from amb_problems.training.export import TargetFacts, export
from amb_problems.training.sitting import SMOOTHING, Place, Sitting
from amb_problems.training.surrogate import Relaxation, SurrogateLIF


def rate_loss(network: TargetNetwork, images: Tensor, labels: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the output neurons' spike rates and of their mean currents, so that silent neurons learn too.

    Rates lie in [0, 1]; the factor lets them tell ten classes apart. The scores are the rates, ties broken by currents.
    """
    *_, last = network.walk(images)
    currents, rates = (x.float().unflatten(0, (max(frames, 1), -1)).mean(0) for x in (last.currents, last.spikes))
    loss = nn.functional.cross_entropy(8 * currents, labels, label_smoothing=SMOOTHING)
    if frames:
        loss = loss + nn.functional.cross_entropy(8 * rates, labels, label_smoothing=SMOOTHING)
    return loss, (rates + 1e-3 * currents).detach()


def readout_loss(network: TargetNetwork, images: Tensor, labels: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the readout, averaged over the frames; the scores are that average."""
    scores = network(images).float().unflatten(0, (max(frames, 1), -1)).mean(0)
    return nn.functional.cross_entropy(scores, labels, label_smoothing=SMOOTHING), scores.detach()


@dataclass(frozen=True)
class TargetRecipe:
    """What is trained, on which images, how, and from which rate relaxation."""

    dataset: image_sets.DatasetName
    facts: TargetFacts
    classifier: ClassifierRecipe
    relaxation: Relaxation = "relu"


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
            relaxation="clipped",
        ),
        "mnist-snn": TargetRecipe(
            "mnist",
            TargetFacts(
                "SpikingCNN",
                {"widths": (16, 32), "channels": 1, "side": 28},
                LIF(strict=True),
                50,
                "number of spikes of `out`; currents break ties",
            ),
            ClassifierRecipe((Phase(0, 3, 0.05), Phase(5, 3, 0.03)), rate_loss, shift=2, mirror=False),
        ),
        "snn-resnet18": TargetRecipe(
            "cifar10",
            TargetFacts("SpikingResNet18", {"width": 32}, LIF(), 20, "output of `fc`, mean over the frames"),
            ClassifierRecipe(
                (Phase(0, 10, 0.2), Phase(2, 3, 0.06), Phase(2, 6, 0.08), Phase(4, 2, 0.03)), readout_loss
            ),
        ),
        "snn-resnet18-paper": TargetRecipe(
            "cifar10",
            TargetFacts(
                "SpikingResNet18",
                {"width": 32, "stem": "imagenet"},
                LIF(),
                20,
                "output of `fc`, mean over the frames",
            ),
            ClassifierRecipe((Phase(0, 14, 0.2), Phase(2, 8, 0.08), Phase(4, 3, 0.03)), readout_loss),
        ),
    }
)
"""The trainings by the name of the checkpoint that they make. To train one longer, append a phase and resume."""


def new_network(facts: TargetFacts, *, seed: int, relaxation: Relaxation = "relu") -> TargetNetwork:
    """An untrained network with batch norms and surrogate neurons; its weights follow from `seed` alone."""
    lif = facts.lif
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # torch's initializers take no generator; the caller's state is restored
        return NETWORKS[facts.network](
            lambda: SurrogateLIF(decay=lif.decay, threshold=lif.threshold, strict=lif.strict, relaxation=relaxation),
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
    recipe = RECIPES[name]

    def write(network: nn.Module, images: image_sets.Dataset, path: Path, training: Mapping[str, object]) -> None:
        # A copy: the statistics measured for the export must not reach the training.
        export(copy.deepcopy(cast(TargetNetwork, network)).cpu(), recipe.facts, images, path, training)

    Sitting(
        Place(name, image_sets.load(recipe.dataset, data), out, seed, device),
        new_network(recipe.facts, seed=seed, relaxation=recipe.relaxation),
        recipe.classifier,
        write,
        exports=lambda phase: phase.frames > 0,
        facts={"rate relaxation": recipe.relaxation},
    ).run(minutes, resume, progress)
