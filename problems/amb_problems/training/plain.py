"""Training of the plain targets: `amb train ann-alexnet`, `ann-vgg`, `ann-resnet`, `ann-densenet`."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor, nn

from amb.contracts.recipe import TrainingProgress
from amb_problems.data import image_sets
from amb_problems.targets.plain.architectures import PLAIN_NETWORKS
from amb_problems.training.classifier import SMOOTHING, ClassifierRecipe, ClassifierTraining, Phase
from amb_problems.training.plain_export import export
from amb_problems.training.session import Session


def class_loss(network: nn.Module, images: Tensor, labels: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the class outputs, which are also the scores."""
    scores = network(images).float()
    return nn.functional.cross_entropy(scores, labels, label_smoothing=SMOOTHING), scores.detach()


@dataclass(frozen=True)
class PlainRecipe:
    """A network, the images on which it is trained, and the training settings."""

    dataset: image_sets.DatasetName
    network: str
    arguments: Mapping[str, object]
    classifier: ClassifierRecipe


def _recipe(network: str, *phases: Phase, **arguments: object) -> PlainRecipe:
    return PlainRecipe("cifar10", network, arguments, ClassifierRecipe(phases, class_loss))


# Crops of 24x24 take 0.56 of the time of whole images and replace shifts; the last epochs see whole images.
_CROPS, _WHOLE = Phase(0, 8, 0.15, crop=24), Phase(0, 3, 0.05)

RECIPES: Mapping[str, PlainRecipe] = MappingProxyType(
    {
        "ann-alexnet": _recipe("AlexNet", _CROPS, _WHOLE, widths=(24, 64, 96, 64, 64)),
        "ann-vgg": _recipe("VGG", _CROPS, _WHOLE, widths=((24,), (48,), (80, 80), (128, 128))),
        "ann-resnet": _recipe("ResNet", Phase(0, 10, 0.2), Phase(0, 1, 0.04), width=32),
        "ann-densenet": _recipe("DenseNet", _CROPS, _WHOLE, stem=24, growth=16, blocks=(3, 5, 5)),
    }
)
"""Recipes by checkpoint name. To train a network longer, append a phase and resume."""


def new_network(recipe: PlainRecipe, *, seed: int) -> nn.Module:
    """An untrained network; its weights follow from `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # torch's initializers take no generator; the caller's state is restored
        return PLAIN_NETWORKS[recipe.network](**recipe.arguments)


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
    keep: int = 0,
) -> None:
    """Train the target `name` and write its checkpoint and card into `out`, at the end of every phase; see `Session`.

    Raises:
        SpecError: no such target.
        DataError: the images or the saved state cannot be read, or the state belongs to another training.
    """
    session = Session(name, data, out, seed, device, minutes, resume, progress, keep)
    recipe = session.recipe("target", RECIPES)
    images = session.images(recipe.dataset, trained=recipe.classifier.batch)
    network = new_network(recipe, seed=seed)
    training = ClassifierTraining(
        network,
        recipe.classifier,
        torch.from_numpy(images.train_images),
        torch.from_numpy(images.train_labels),
        seed=seed,
        device=device,
    )

    def write(path: Path) -> None:
        trained = copy.deepcopy(network).cpu()  # a copy, since the export rounds the weights
        export(trained, recipe.network, recipe.arguments, images, path, training.provenance())

    session.run(training, lambda ends: write(session.checkpoint), milestones=training.phase_ends, export_state=write)
