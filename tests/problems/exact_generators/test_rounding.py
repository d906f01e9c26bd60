"""Rounding a generator: nothing but the rounding changes its function, and what might not be exact is refused."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import amb
from amb.errors import CheckpointError
from amb_problems import checkpoint
from amb_problems.cards import ExactCard, ExactSNGANCard, SNGANShape, VQVAEShape
from amb_problems.data import image_sets
from amb_problems.generators.exact import decoder, sngan
from amb_problems.generators.exact.decoder import ExactDecoder
from amb_problems.generators.exact.derivation import DIGEST
from amb_problems.generators.exact.sngan import ExactSNGAN
from amb_problems.generators.exact.sngan_generator import ExactSNGANGenerator
from amb_problems.generators.exact.vqvae_generator import ExactVQVAEGenerator
from amb_problems.generators.exact.weights import read_layers, read_table
from amb_problems.generators.sngan import SNGAN
from amb_problems.generators.vqvae import VQVAE
from amb_problems.targets.spiking.exact import check_sums
from amb_problems.training import exact_generators
from amb_problems.training.decoder_scaling import scale
from amb_problems.training.folding import fold
from amb_problems.training.scaling import unrounded

NAME = "mnist-sngan-int8"


def without_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sngan, decoder):
        monkeypatch.setattr(module, "rounded", lambda x, values: x if values.low else x.clamp(min=0))


@pytest.mark.parametrize(
    "shape", [SNGANShape(widths=(16, 8, 8, 8)), SNGANShape(bottom=7, widths=(8, 8, 8), channels=1)]
)
def test_folding_keeps_the_function(shape: SNGANShape, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without rounding, the network without batch norms makes the images of the one with them."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        network = SNGAN(shape)
        for _ in range(3):  # batch statistics of its own in every layer
            network(torch.randn(32, 128))
        network.eval()
        given, samples = torch.randn(16, 128), torch.randn(64, 128)
        folded = unrounded(ExactSNGAN(shape), fold(network, samples), network.state_dict())
        without_rounding(monkeypatch)
        torch.testing.assert_close(folded(given), network(given), atol=1e-4, rtol=0)


def test_scaling_keeps_the_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without rounding, the decoder whose channels fit bytes makes the images of the VQ-VAE."""
    shape = VQVAEShape(size=8, codes=12, dimensions=5, width=8, residual=4, blocks=2)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        network = VQVAE(shape).eval()
        network.codebook.normal_()
        codes = torch.randint(12, (20, 2, 2))
        exact = unrounded(ExactDecoder(shape), scale(network, codes), network.state_dict())
        without_rounding(monkeypatch)
        weights = torch.nn.functional.one_hot(codes, 12).float()
        torch.testing.assert_close(exact(weights), network.decode(codes), atol=1e-4, rtol=0)


def test_sums_that_might_be_rounded_are_refused() -> None:
    """Two layers that are exact alone may not be exact when their outputs are added."""
    tensors, card = checkpoint.load(NAME, ExactSNGANCard)
    network = ExactSNGAN(card.shape)
    layers = read_layers(network, tensors, card.origin)
    check_sums(layers, network.sums())
    layers["blocks.0.shortcut"].shift.add_(8)
    with pytest.raises(CheckpointError, match=r"sum of blocks\.0\.conv, blocks\.0\.shortcut"):
        check_sums(layers, network.sums())
    del tensors["screen"]
    with pytest.raises(CheckpointError, match="needs screen"):
        read_table(tensors)


def test_derived_weights_are_those_that_were_rounded() -> None:
    """A file of factors goes with one float32 checkpoint; with another one, or altered, it gives no image at all."""
    tensors, card = checkpoint.load(NAME, ExactSNGANCard)
    assert sum(tensor.nbytes for tensor in tensors.values()) < 50_000
    network = ExactSNGAN(card.shape)
    layers = read_layers(network, tensors, card.origin)
    assert layers.keys() == network.grids().keys()
    altered: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "conv.columns": lambda columns: columns * 1.01,
        "linear.shift": lambda shift: shift - 1,
        DIGEST: lambda digest: digest.flip(0),
    }
    for name, change in altered.items():
        with pytest.raises(CheckpointError, match="not those that mnist-sngan was rounded to"):
            read_layers(network, {**tensors, name: change(tensors[name])}, card.origin)
    for wrong in (tensors[DIGEST].float(), tensors[DIGEST][:8]):
        with pytest.raises(CheckpointError, match="not those that mnist-sngan was rounded to"):
            read_layers(network, {**tensors, DIGEST: wrong}, card.origin)
    for rows in (torch.zeros(0), torch.zeros(3), torch.zeros(16, 2)):
        with pytest.raises(CheckpointError, match=r"weights of blocks\.0\.up cannot be derived"):
            read_layers(network, {**tensors, "blocks.0.up.rows": rows}, card.origin)
    with pytest.raises(CheckpointError, match="weights of linear cannot be derived"):
        read_layers(network, tensors, "cifar10-sngan")
    del tensors["blocks.0.up.rows"]
    with pytest.raises(CheckpointError, match=r"blocks\.0\.up\.rows"):
        read_layers(network, tensors, card.origin)


@pytest.mark.parametrize(
    "name", ["mnist-sngan-int8", "cifar10-vqvae-int8", pytest.param("cifar10-sngan-int8", marks=pytest.mark.slow)]
)
def test_the_command_rounds_the_generator(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`amb train` makes the shipped images again, up to what another processor rounds in estimating ranges.

    Where weights are trained after rounding, `--minutes 0` takes one step of thousands: these images are a little
    farther away, the checkpoint loads, and does not call itself finished.
    """
    shipped = amb.generator(name)
    number = 32 if "vqvae" in name else 16  # a sheet shows 32 of a VQ-VAE's
    images = shipped.images(shipped.grid().latents(shipped.grid().space.sample_prior(number, np.random.default_rng(0))))
    monkeypatch.setattr(
        image_sets,
        "load",
        lambda *_: SimpleNamespace(train_images=images, train_labels=np.zeros(len(images)), test_images=images),
    )
    seen: list[object] = []
    trained = exact_generators.RECIPES[name].tuning is not None
    options = {"seed": 0, "device": "cpu", "minutes": 0.0 if trained else None, "progress": seen.append}
    exact_generators.train(name=name, data=tmp_path, out=tmp_path, **options)
    assert len(seen) == 1
    card = checkpoint.read_card(tmp_path / name, ExactCard)
    assert (card.origin, card.finished) == (name.removesuffix("-int8"), not trained)
    assert card.steps == 1 or not trained
    assert any(f"{number} test images" in metric for metric in card.metrics) == (not trained)
    assert not (trained and any("Fréchet" in metric for metric in card.metrics))
    loaded = (ExactSNGANGenerator if isinstance(card, ExactSNGANCard) else ExactVQVAEGenerator)(tmp_path / name)
    grid = shipped.grid()
    latents = grid.latents(grid.space.sample_prior(8, np.random.default_rng(1)))
    assert np.abs(loaded.images(latents).astype(int) - shipped.images(latents)).mean() < (2.5 if trained else 1.5)
