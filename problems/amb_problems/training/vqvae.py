"""Training of the VQ-VAE: `amb train cifar10-vqvae`."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from amb.contracts.recipe import TrainingProgress
from amb_problems import checkpoint
from amb_problems.cards import VQVAECard, VQVAEShape
from amb_problems.generators.vqvae_generator import VQVAEGenerator
from amb_problems.training.autoencoder import VQVAERecipe, VQVAETraining
from amb_problems.training.session import Session, generator_provenance
from amb_problems.training.sheet import write_sheet

RECIPES: Mapping[str, VQVAERecipe] = MappingProxyType(
    {"cifar10-vqvae": VQVAERecipe(dataset="cifar10", shape=VQVAEShape(), flip=True, steps=1_600)}
)
"""Recipes by checkpoint name."""

SHOWN = 32
"""Number of images on a sheet, and of prior samples."""


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
    """Train the generator `name` and write its checkpoint, card and a sheet (see `draw`) into `out`; see `Session`.

    Raises:
        SpecError: no such generator.
        DataError: the images or the saved state cannot be read, or the state has a different seed.
    """
    session = Session(name, data, out, seed, device, minutes, resume, progress)
    recipe = session.recipe("generator", RECIPES)
    images = session.images(recipe.dataset, trained=recipe.batch, tested=SHOWN)
    training = VQVAETraining(recipe, images.train_images, seed=seed, device=device)

    def export(ends: bool) -> None:
        card = VQVAECard(
            shape=recipe.shape,
            prior="every code equally often, at every position independently",
            data=images.source,
            method="VQ-VAE (van den Oord et al. 2017): codebook by moving averages, unused codes revived",
            recipe=asdict(recipe),
            **generator_provenance(session, training),
        )
        checkpoint.save(session.checkpoint, training.weights(), card)
        generator = VQVAEGenerator(session.checkpoint)
        write_sheet(session.sheet(training.done), draw(generator, images.test_images, seed=seed))
        if ends:
            checkpoint.amend(session.checkpoint, metrics=judge(generator, images.test_images))

    session.run(training, export, export_minutes=10)


def draw(generator: VQVAEGenerator, images: npt.NDArray[np.uint8], *, seed: int) -> npt.NDArray[np.uint8]:
    """Images of a sheet: pairs of rows of originals and reconstructions, then the same number of prior samples."""
    shown = images[:SHOWN]
    space = generator.grid().space
    samples = generator.images(space.sample_prior(len(shown), np.random.default_rng(seed)))
    return np.concatenate([_in_pairs(shown, generator.images(generator.encode(shown))), samples])


def judge(generator: VQVAEGenerator, images: npt.NDArray[np.uint8]) -> Mapping[str, float]:
    """Metrics for a model card: the error of reconstructing images from their codes, and the number of codes in use."""
    codes = generator.encode(images)
    title = f"mean squared error of {len(images)} test images from their codes, as a share of the pixels' variance"
    error = reconstruction_error(images, generator.images(codes))
    return {title: round(error, 4), "codes used for them": len(np.unique(codes))}


def reconstruction_error(images: npt.NDArray[np.uint8], reconstructions: npt.NDArray[np.uint8]) -> float:
    """Mean squared error of reconstructions, as a share of the images' variance over all pixels."""
    original = images.astype(np.float64)
    return float(np.square(original - reconstructions).mean() / original.var())


def _in_pairs(images: npt.NDArray[np.uint8], reconstructions: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Rows of 16 images, each followed by the row of their reconstructions."""
    shape = (-1, 16, *images.shape[1:])
    rows = np.stack([images.reshape(shape), reconstructions.reshape(shape)], axis=1)
    return rows.reshape(-1, *images.shape[1:])
