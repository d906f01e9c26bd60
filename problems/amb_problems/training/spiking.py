"""Training of the spiking targets: `amb train snn-cnn`, `amb train snn-resnet18`, `amb train mnist-snn` and so on."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor, nn

from amb.contracts.recipe import TrainingProgress
from amb_problems.data import image_sets
from amb_problems.targets.spiking.architectures import NETWORKS, TargetNetwork
from amb_problems.targets.spiking.lif import LIF
from amb_problems.targets.spiking.surrogate import Relaxation, SurrogateLIF
from amb_problems.training.classifier import SMOOTHING, ClassifierRecipe, ClassifierTraining, Phase
from amb_problems.training.session import Session
from amb_problems.training.spiking_export import SpikingModel, export


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
class SpikingRecipe:
    """A model, the images on which it is trained, the training settings, and the initial rate relaxation."""

    dataset: image_sets.DatasetName
    model: SpikingModel
    classifier: ClassifierRecipe
    relaxation: Relaxation = "relu"


RECIPES: Mapping[str, SpikingRecipe] = MappingProxyType(
    {
        "snn-cnn": SpikingRecipe(
            "cifar10",
            SpikingModel(
                "SpikingCNN",
                {"widths": (64, 64)},
                LIF(strict=True),
                100,
                "number of spikes of `out`; currents break ties",
            ),
            ClassifierRecipe((Phase(0, 12, 0.03), Phase(5, 6, 0.03)), rate_loss),
            relaxation="clipped",
        ),
        "mnist-snn": SpikingRecipe(
            "mnist",
            SpikingModel(
                "SpikingCNN",
                {"widths": (16, 32), "channels": 1, "side": 28},
                LIF(strict=True),
                50,
                "number of spikes of `out`; currents break ties",
            ),
            ClassifierRecipe((Phase(0, 3, 0.05), Phase(5, 3, 0.03)), rate_loss, shift=2, mirror=False),
        ),
        "snn-resnet18": SpikingRecipe(
            "cifar10",
            SpikingModel("SpikingResNet18", {"width": 32}, LIF(), 20, "output of `fc`, mean over the frames"),
            ClassifierRecipe(
                (Phase(0, 10, 0.2), Phase(2, 3, 0.06), Phase(2, 6, 0.08), Phase(4, 2, 0.03)), readout_loss
            ),
        ),
        "snn-resnet18-paper": SpikingRecipe(
            "cifar10",
            SpikingModel(
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
"""Recipes by checkpoint name. To train a network longer, append a phase and resume."""


def new_network(model: SpikingModel, *, seed: int, relaxation: Relaxation = "relu") -> TargetNetwork:
    """An untrained network with batch norms and surrogate neurons; its weights follow from `seed` alone."""
    lif = model.lif
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # torch's initializers take no generator; the caller's state is restored
        return NETWORKS[model.network](
            lambda: SurrogateLIF(decay=lif.decay, threshold=lif.threshold, strict=lif.strict, relaxation=relaxation),
            **model.arguments,
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
    """Train the target `name` and write its exact checkpoint and card into `out`; see `Session`.

    The checkpoint is written at the end of every phase with spikes and when `minutes` run out in one; the card states
    how many of the planned steps were taken.

    Raises:
        SpecError: no such target.
        DataError: the images or the saved state cannot be read, or the state belongs to another training.
    """
    session = Session(name, data, out, seed, device, minutes, resume, progress)
    recipe = session.recipe("target", RECIPES)
    images = session.images(recipe.dataset)
    network = new_network(recipe.model, seed=seed, relaxation=recipe.relaxation)
    training = ClassifierTraining(
        network,
        recipe.classifier,
        torch.from_numpy(images.train_images),
        torch.from_numpy(images.train_labels),
        seed=seed,
        device=device,
    )

    def write(ends: bool) -> None:
        if training.frames == 0:  # the rate relaxation has no spikes to export
            return
        # A copy: the statistics re-estimated for the export must not reach the training.
        trained = copy.deepcopy(network).cpu()
        provenance = training.provenance(**{"rate relaxation": recipe.relaxation})
        export(trained, recipe.model, images, session.checkpoint, provenance)

    session.run(training, write, milestones=training.phase_ends)
