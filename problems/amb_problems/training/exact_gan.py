"""Rounding of an SN-GAN to int8: `amb train cifar10-sngan-int8`."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from amb.contracts.recipe import TrainingProgress
from amb_problems import checkpoint
from amb_problems.cards import ExactSNGANCard, SNGANCard
from amb_problems.data.image_sets import DatasetName
from amb_problems.generators.exact.generator import ExactSNGANGenerator
from amb_problems.generators.exact.screen import table
from amb_problems.generators.exact.weights import TABLE
from amb_problems.generators.inference import restore
from amb_problems.generators.sngan import SNGAN
from amb_problems.targets.spiking.exact import check_exact, check_sums, quantize, to_tensors
from amb_problems.training.folding import fold
from amb_problems.training.quality import firing_rates, judge
from amb_problems.training.sampling import stream
from amb_problems.training.session import Session
from amb_problems.training.sheet import write_sheet


@dataclass(frozen=True)
class ExactGANRecipe:
    """How a float32 SN-GAN is rounded."""

    dataset: DatasetName
    """The images that the result is compared with; none is needed for rounding."""
    source: str
    """The float32 generator: a shipped checkpoint."""
    samples: int
    """Samples of the prior from which the ranges of activations are estimated."""
    judge: tuple[str, str]
    """A shipped target and its layer, in whose firing rates the generator is compared with the data."""


RECIPES: Mapping[str, ExactGANRecipe] = MappingProxyType(
    {
        "cifar10-sngan-int8": ExactGANRecipe(
            dataset="cifar10", source="cifar10-sngan", samples=512, judge=("snn-cnn", "sn3")
        )
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
    """Round a float32 generator and write checkpoint, card and a sheet of samples into `out`.

    It takes seconds, so `device`, `minutes` and `resume` do not matter; the comparison with the data takes minutes.

    Raises:
        SpecError: no such generator.
        DataError: the images cannot be read.
        CheckpointError: the float32 generator is missing, or its weights are too large to be exact.
    """
    session = Session(name, data, out, seed, device, minutes, resume, progress)
    recipe = session.recipe("generator", RECIPES)
    images = session.images(recipe.dataset)
    source, original = restore(recipe.source, SNGANCard, lambda card: SNGAN(card.shape))
    samples = torch.randn(recipe.samples, original.shape.latent, generator=stream(seed, "ranges"))
    network = fold(source.eval().requires_grad_(False), samples)
    layers = {}
    for layer, grid in network.grids().items():
        module = network.get_submodule(layer)
        assert isinstance(module.weight, torch.Tensor)
        assert isinstance(module.bias, torch.Tensor)
        layers[layer] = quantize(module.weight, module.bias, grid)
    check_exact(layers)
    check_sums(layers, network.sums())
    card = ExactSNGANCard(
        shape=original.shape,
        prior="standard normal, rounded to multiples of 1/32",
        data=original.data,
        method="SN-GAN (Miyato et al. 2018), rounded to int8 weights and activations of one byte, without training",
        source=f"{original.name} (checkpoint {original.sha256[:8]})",
        recipe=asdict(recipe),
        seed=seed,
        finished=True,
        torch=str(torch.__version__),
        written=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    checkpoint.save(session.checkpoint, to_tensors(layers) | {TABLE: table(np.tanh)}, card)
    generator = ExactSNGANGenerator(session.checkpoint)
    latents = torch.randn(128, generator.latent_dim, generator=stream(seed, "sheet")).numpy()
    write_sheet(session.sheet(0), generator.images(latents))
    features, title = firing_rates(*recipe.judge)
    quality = judge(generator, features, images.train_images, images.test_images, seed=seed)
    checkpoint.amend(session.checkpoint, metrics=quality.as_metrics(title))
    progress(TrainingProgress(1, 1, {}))
