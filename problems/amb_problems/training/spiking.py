"""Training of the spiking targets: `amb train snn-cnn`, `amb train snn-resnet18`, `amb train mnist-snn` and so on."""

import copy
from collections.abc import Callable
from pathlib import Path

import torch

from amb.contracts.recipe import TrainingProgress
from amb_problems.targets.spiking.architectures import TargetNetwork
from amb_problems.targets.spiking.networks import NETWORKS
from amb_problems.targets.spiking.surrogate import Relaxation, SurrogateLIF
from amb_problems.training.classifier import ClassifierTraining
from amb_problems.training.session import Session
from amb_problems.training.spiking_export import SpikingModel, export
from amb_problems.training.spiking_recipes import RECIPES


def new_network(model: SpikingModel, *, seed: int, relaxation: Relaxation = "relu") -> TargetNetwork:
    """An untrained network with batch norms and surrogate neurons; its weights follow from `seed` alone."""
    lif = model.lif
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # torch's initializers take no generator; the caller's state is restored
        return NETWORKS[model.network](
            lambda: SurrogateLIF(
                decay=lif.decay, threshold=lif.threshold, strict=lif.strict, reset=lif.reset, relaxation=relaxation
            ),
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
    keep: int = 0,
) -> None:
    """Train the target `name` and write its exact checkpoint and card into `out`; see `Session`.

    The checkpoint is written at the end of every phase with spikes and when `minutes` run out in one; the card states
    how many of the planned steps were taken.

    Raises:
        SpecError: no such target.
        DataError: the images or the saved state cannot be read, or the state belongs to another training.
    """
    session = Session(name, data, out, seed, device, minutes, resume, progress, keep)
    recipe = session.recipe("target", RECIPES)
    images = session.images(recipe.dataset, trained=recipe.classifier.batch)
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
        if training.frames > 0:  # the rate relaxation is not a result: its spikes are not trained yet
            write_state(session.checkpoint)

    def write_state(path: Path) -> None:
        # A copy: the statistics re-estimated for the export must not reach the training.
        trained = copy.deepcopy(network).cpu()
        provenance = training.provenance(**{"rate relaxation": recipe.relaxation})
        export(trained, recipe.model, images, path, provenance)

    session.run(training, write, milestones=training.phase_ends, export_state=write_state)
