"""Training of the VQ-VAE: `amb train cifar10-vqvae`."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from amb.contracts.recipe import TrainingProgress
from amb.errors import unknown
from amb_problems import checkpoint
from amb_problems.cards import VQVAECard, VQVAEShape
from amb_problems.data import image_sets
from amb_problems.generators.vqvae_generator import VQVAEGenerator
from amb_problems.training.generator_sitting import Place, Sitting
from amb_problems.training.sheet import write_sheet
from amb_problems.training.vqvae_step import VQVAERecipe, VQVAETraining

RECIPES: Mapping[str, VQVAERecipe] = MappingProxyType(
    {"cifar10-vqvae": VQVAERecipe(dataset="cifar10", shape=VQVAEShape(), flip=True, steps=1_600)}
)
"""The trainings by the name of the checkpoint that they make."""

_SHOWN = 32
"""Images of a sheet, and samples of the prior."""


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
    """Train the generator `name` and write its checkpoint and card into `out`; see `Sitting` for when.

    Sheets show what `draw` draws.

    Raises:
        SpecError: no such generator.
        DataError: the images or the saved state cannot be read, or the state is of another seed.
    """
    if name not in RECIPES:
        raise unknown("generator to train", name, RECIPES)
    recipe, place = RECIPES[name], Place(name, out, seed)
    images = image_sets.load(recipe.dataset, data)
    training = VQVAETraining(recipe, images.train_images, seed=seed, device=device)

    def export(facts: Mapping[str, Any], ends: bool) -> None:
        card = VQVAECard(
            shape=recipe.shape,
            prior="every code equally often, at every position independently",
            data=images.source,
            method="VQ-VAE (van den Oord et al. 2017): codebook by moving averages, unused codes revived",
            recipe=asdict(recipe),
            **facts,
        )
        checkpoint.save(place.checkpoint, training.weights(), card)
        generator = VQVAEGenerator(place.checkpoint)
        write_sheet(place.sheet(training.done), draw(generator, images.test_images, seed=seed))
        if ends:
            checkpoint.amend(place.checkpoint, metrics=judge(generator, images.test_images))

    sitting = Sitting(place, training, export, steps=recipe.steps, cooling=recipe.cooling)
    sitting.run(minutes, resume, progress)


def draw(generator: VQVAEGenerator, images: npt.NDArray[np.uint8], *, seed: int) -> npt.NDArray[np.uint8]:
    """For a sheet: images in pairs of rows, as they are and from their codes, and then as many samples of the prior."""
    shown = images[:_SHOWN]
    space = generator.grid().space
    samples = generator.images(space.sample_prior(len(shown), np.random.default_rng(seed)))
    return np.concatenate([_in_pairs(shown, generator.images(generator.encode(shown))), samples])


def judge(generator: VQVAEGenerator, images: npt.NDArray[np.uint8]) -> Mapping[str, float]:
    """For a model card: what is lost on the way to the codes and back, and how many codes are in use."""
    codes = generator.encode(images)
    title = f"mean squared error of {len(images)} test images from their codes, as a share of the pixels' variance"
    error = reconstruction_error(images, generator.images(codes))
    return {title: round(error, 4), "codes used for them": len(np.unique(codes))}


def reconstruction_error(images: npt.NDArray[np.uint8], made: npt.NDArray[np.uint8]) -> float:
    """Mean squared error between images of equal shape, as a share of the first ones' variance over all pixels."""
    original = images.astype(np.float64)
    return float(np.square(original - made).mean() / original.var())


def _in_pairs(images: npt.NDArray[np.uint8], made: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Rows of 16 images, each followed by what was made of it."""
    rows = np.stack([images.reshape(-1, 16, *images.shape[1:]), made.reshape(-1, 16, *images.shape[1:])], axis=1)
    return rows.reshape(-1, *images.shape[1:])
