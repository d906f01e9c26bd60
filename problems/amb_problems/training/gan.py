"""Training of the SN-GANs: `amb train cifar10-sngan`, `amb train mnist-sngan`."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from amb.contracts.recipe import TrainingProgress
from amb_problems import checkpoint
from amb_problems.cards import SNGANCard, SNGANShape
from amb_problems.data.image_sets import Dataset, UInt8Array
from amb_problems.generators.pixels import to_uint8
from amb_problems.generators.torch_generator import SNGANGenerator
from amb_problems.training.adversarial import GANRecipe, GANTraining
from amb_problems.training.quality import FEWEST, firing_rates, judge
from amb_problems.training.session import Session, generator_provenance
from amb_problems.training.sheet import write_sheet

RECIPES: Mapping[str, GANRecipe] = MappingProxyType(
    {
        "cifar10-sngan": GANRecipe(
            dataset="cifar10",
            shape=SNGANShape(),
            discriminator=(64, 64, 128, 128),
            flip=True,
            steps=14_243,
            judge=("snn-cnn", "sn3"),
        ),
        "mnist-sngan": GANRecipe(
            dataset="mnist",
            shape=SNGANShape(bottom=7, widths=(64, 32, 16), channels=1),
            discriminator=(16, 32, 64),
            flip=False,
            steps=3_000,
            cooling=0.3,
            rate_generator=5e-4,
            rate_discriminator=1e-3,
            judge=("mnist-snn", "sn3"),
            averaging=0.998,
        ),
    }
)
"""Recipes by checkpoint name."""


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
    """Train the generator `name` and write its checkpoint, card and a sheet of samples into `out`; see `Session`.

    Raises:
        SpecError: no such generator.
        DataError: the images or the saved state cannot be read, or the state has a different seed.
    """
    session = Session(name, data, out, seed, device, minutes, resume, progress)
    recipe = session.recipe("generator", RECIPES)
    images = session.images(recipe.dataset, trained=recipe.batch, tested=FEWEST)
    training = GANTraining(recipe, images.train_images, seed=seed, device=device)

    def export(ends: bool) -> None:
        generator = training.averaged_generator(batches=20 if ends else 8)
        card = SNGANCard(
            shape=recipe.shape,
            prior="standard normal",
            data=images.source,
            method="SN-GAN (Miyato et al. 2018): hinge loss, spectral normalization, averaged generator",
            recipe=asdict(recipe),
            **generator_provenance(session, training),
        )
        checkpoint.save(session.checkpoint, generator.state_dict(), card)
        with torch.no_grad():
            write_sheet(session.sheet(training.done), _pixels(generator(training.latents("sheet", 0, 128))))
        if card.finished:
            checkpoint.amend(session.checkpoint, metrics=judge_samples(session.checkpoint, recipe, images, seed=seed))

    session.run(training, export, export_minutes=10)


def judge_samples(path: Path, recipe: GANRecipe, images: Dataset, *, seed: int) -> Mapping[str, float]:
    """Distances of prior samples and of training images to the test half; {} if the recipe's judge is not shipped."""
    if recipe.judge is None or recipe.judge[0] not in checkpoint.shipped():
        return {}
    features, title = firing_rates(*recipe.judge)
    quality = judge(SNGANGenerator(path), features, images.train_images, images.test_images, seed=seed)
    return quality.as_metrics(title)


def _pixels(images: Tensor) -> UInt8Array:
    return to_uint8(np.ascontiguousarray(images.float().cpu().permute(0, 2, 3, 1).numpy()))
