"""Rounding of generators to int8: `amb train cifar10-sngan-int8` and its like."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from amb.contracts.generator import Generator
from amb.contracts.problem import UInt8Array
from amb.contracts.recipe import TrainingProgress
from amb_problems import checkpoint
from amb_problems.cards import ExactSNGANCard, ExactVQVAECard, SNGANCard, VQVAECard
from amb_problems.data.image_sets import Dataset, DatasetName
from amb_problems.generators.exact.decoder import ExactDecoder
from amb_problems.generators.exact.screen import table
from amb_problems.generators.exact.sngan import ExactSNGAN
from amb_problems.generators.exact.sngan_generator import ExactSNGANGenerator
from amb_problems.generators.exact.vqvae_generator import ExactVQVAEGenerator
from amb_problems.generators.exact.weights import TABLE
from amb_problems.generators.inference import restore
from amb_problems.generators.sngan import SNGAN
from amb_problems.generators.torch_generator import SNGANGenerator
from amb_problems.generators.vqvae import VQVAE
from amb_problems.generators.vqvae_generator import VQVAEGenerator
from amb_problems.targets.spiking.exact import ExactLayer
from amb_problems.training import vqvae
from amb_problems.training.decoder_scaling import scale
from amb_problems.training.fine_tuning import FineTuning, RoundingTraining
from amb_problems.training.folding import fold
from amb_problems.training.quality import FEWEST, firing_rates, judge
from amb_problems.training.sampling import stream
from amb_problems.training.scaling import tensors_to_derive, unrounded
from amb_problems.training.session import Session, generator_provenance
from amb_problems.training.sheet import write_sheet

_COMPARED = 1000
"""Samples of the prior that are compared with those of the source."""
_SHEET = 128


@dataclass(frozen=True)
class RoundingRecipe:
    """How a float32 generator is rounded."""

    dataset: DatasetName
    """The images that the result is compared with; a VQ-VAE's ranges are also estimated from their codes."""
    source: str
    """The float32 generator: a shipped checkpoint."""
    samples: int
    """Samples of the prior from which the ranges of activations are estimated, and codes of as many images."""
    judge: tuple[str, str] | None = None
    """A shipped target and its layer, in whose firing rates an SN-GAN is compared with the data."""
    tuning: FineTuning | None = None
    """How an SN-GAN's int8 weights are trained after rounding; None: not at all."""


RECIPES: Mapping[str, RoundingRecipe] = MappingProxyType(
    {
        "cifar10-sngan-int8": RoundingRecipe(
            "cifar10", "cifar10-sngan", samples=512, judge=("snn-cnn", "sn3"), tuning=FineTuning(steps=5000)
        ),
        "cifar10-vqvae-int8": RoundingRecipe("cifar10", "cifar10-vqvae", samples=256),
        "mnist-sngan-int8": RoundingRecipe("mnist", "mnist-sngan", samples=512, judge=("mnist-snn", "sn3")),
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
    """Round a float32 generator and write checkpoint, card and a sheet of samples into `out`; see `Session`.

    Rounding takes seconds and the comparison with the data minutes. Only a recipe with fine-tuning takes steps, for
    which `device`, `minutes` and `resume` count.

    Raises:
        SpecError: no such generator.
        DataError: the images or the saved state cannot be read, or the state has a different seed.
        CheckpointError: the float32 generator is missing, or its weights are too large to be exact.
    """
    session = Session(name, data, out, seed, device, minutes, resume, progress)
    recipe = session.recipe("generator", RECIPES)
    is_sngan = isinstance(checkpoint.read_card(recipe.source), SNGANCard)
    images = session.images(
        recipe.dataset, trained=FEWEST if is_sngan else 1, tested=FEWEST if is_sngan else vqvae.SHOWN
    )
    (_round_sngan if is_sngan else _round_vqvae)(session, recipe, images)


def _round_sngan(session: Session, recipe: RoundingRecipe, images: Dataset) -> None:
    network, source = restore(recipe.source, SNGANCard, lambda card: SNGAN(card.shape))
    samples = torch.randn(recipe.samples, source.shape.latent, generator=stream(session.seed, "ranges"))
    weights = network.state_dict()
    with torch.no_grad():
        scaled = fold(network.eval(), samples)
    exact = ExactSNGAN(source.shape)

    def export(layers: Mapping[str, ExactLayer], progress: Mapping[str, Any], *, judged: bool) -> None:
        tensors = tensors_to_derive(exact, scaled, weights, source.sha256, layers)
        card = ExactSNGANCard(
            shape=source.shape,
            prior="standard normal, rounded to multiples of 1/32",
            method="SN-GAN (Miyato et al. 2018), rounded to int8 weights and activations of one byte, "
            + ("then trained with rounding in the loop" if layers else "without training"),
            **_provenance(recipe, source),
            **progress,
        )
        checkpoint.save(session.checkpoint, tensors | {TABLE: table(np.tanh)}, card)
        generator = ExactSNGANGenerator(session.checkpoint)
        latents = torch.randn(_SHEET, generator.latent_dim, generator=stream(session.seed, "sheet")).numpy()
        write_sheet(session.sheet(int(progress.get("steps", 0))), generator.images(latents))
        metrics = dict(_difference(generator, SNGANGenerator(recipe.source), session.seed))
        if recipe.judge and judged:
            features, title = firing_rates(*recipe.judge)
            quality = judge(generator, features, images.train_images, images.test_images, seed=session.seed)
            metrics |= quality.as_metrics(title)
        checkpoint.amend(session.checkpoint, metrics=metrics)

    if recipe.tuning is None:
        export({}, _rounded_now(session), judged=True)
        session.progress(TrainingProgress(1, 1, {}))
        return
    unrounded_network = unrounded(ExactSNGAN(source.shape), scaled, weights)
    training = RoundingTraining(recipe.tuning, unrounded_network, network, seed=session.seed, device=session.device)

    def export_tuned(_: bool) -> None:
        progress = generator_provenance(session, training)
        export(training.layers(), progress, judged=bool(progress["finished"]))

    session.run(training, export_tuned, export_minutes=10)


@torch.no_grad()
def _round_vqvae(session: Session, recipe: RoundingRecipe, images: Dataset) -> None:
    network, source = restore(recipe.source, VQVAECard, lambda card: VQVAE(card.shape))
    original, side = VQVAEGenerator(recipe.source), source.shape.side
    found = torch.from_numpy(original.encode(images.train_images[: recipe.samples])).long().view(-1, side, side)
    drawn = torch.randint(source.shape.codes, found.shape, generator=stream(session.seed, "ranges"))
    tensors = tensors_to_derive(
        ExactDecoder(source.shape),
        scale(network.eval(), torch.cat([found, drawn])),
        network.state_dict(),
        source.sha256,
    )
    card = ExactVQVAECard(
        shape=source.shape,
        prior=source.prior,
        method="VQ-VAE (van den Oord et al. 2017), its decoder rounded to int8 weights and activations of one byte,"
        " without training",
        **_provenance(recipe, source),
        **_rounded_now(session),
    )
    checkpoint.save(session.checkpoint, tensors | {TABLE: table(lambda tones: tones)}, card)
    generator = ExactVQVAEGenerator(session.checkpoint)
    write_sheet(session.sheet(0), vqvae.draw(generator, images.test_images, seed=session.seed))
    metrics = {**vqvae.judge(generator, images.test_images), **_difference(generator, original, session.seed)}
    checkpoint.amend(session.checkpoint, metrics=metrics)
    session.progress(TrainingProgress(1, 1, {}))


def _provenance(recipe: RoundingRecipe, source: SNGANCard | VQVAECard) -> dict[str, Any]:
    """Entries of the card that all rounded generators have."""
    return {
        "data": source.data,
        "source": f"{source.name} (checkpoint {source.sha256[:8]})",
        "origin": recipe.source,
        "recipe": asdict(recipe),
    }


def _rounded_now(session: Session) -> dict[str, Any]:
    """Entries of the card of a generator that was only rounded."""
    return {
        "seed": session.seed,
        "finished": True,
        "torch": str(torch.__version__),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _difference(generator: Generator, source: Generator, seed: int) -> Mapping[str, float]:
    """A metric for a model card: how far the images of the same latents are from the source's."""
    grid = generator.grid()
    latents = grid.latents(grid.space.sample_prior(_COMPARED, np.random.default_rng(seed)))
    images: list[UInt8Array] = [one.images(latents) for one in (generator, source)]
    grey_levels = np.abs(images[0].astype(int) - images[1]).mean()
    return {f"mean difference from {_COMPARED} prior samples of {source.name}, grey levels": round(grey_levels, 2)}
