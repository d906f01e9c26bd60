"""The exact generator: an image is its latent's, to the bit, whatever computes it."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import amb
from amb.errors import CheckpointError
from amb_problems import checkpoint
from amb_problems.abilities import DeviceGenerator, DifferentiableGenerator
from amb_problems.cards import ExactSNGANCard, SNGANShape
from amb_problems.data import image_sets
from amb_problems.engine.convolution import Arithmetic
from amb_problems.generators.exact import screen
from amb_problems.generators.exact.generator import ExactSNGANGenerator
from amb_problems.generators.exact.rendering import SNGANRendering
from amb_problems.generators.exact.sngan import ExactSNGAN
from amb_problems.generators.exact.steps import CompiledSteps, Steps, TensorSteps
from amb_problems.generators.exact.weights import read_layers, read_table
from amb_problems.generators.sngan import SNGAN
from amb_problems.targets.spiking.exact import check_sums
from amb_problems.training import exact_gan
from amb_problems.training.folding import fold

NAME = "cifar10-sngan-int8"


@pytest.fixture(scope="module")
def generator() -> ExactSNGANGenerator:
    loaded = amb.generator(NAME)
    assert isinstance(loaded, ExactSNGANGenerator)
    return loaded


@pytest.fixture(scope="module")
def latents() -> np.ndarray:
    """Samples of the prior, some wider than it, as solvers' latents are, and two beyond the range of bytes."""
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((40, 128), np.float32)
    rows[20:] *= 2.3
    rows[-2:] *= 10
    return rows


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def in_int64(latents: np.ndarray) -> np.ndarray:
    """The images as integers give them: sums in int64, rounding by remainders, no library kernel."""
    tensors, card = checkpoint.load(NAME, ExactSNGANCard)
    stored = {name: tensor.numpy().astype(np.int64) for name, tensor in tensors.items()}

    def steps(sums: np.ndarray, have: np.ndarray, bits: int, low: int, high: int) -> np.ndarray:
        """Multiples of 2^-`have`, by channel, as the nearest multiples of 2^-`bits`; ties go to the even one."""
        drop = (have - bits)[None, :, None, None]
        floor, rest, half = sums >> drop, sums & ((1 << drop) - 1), 1 << (drop - 1)
        return np.clip(floor + ((rest > half) | ((rest == half) & (floor % 2 == 1))), low, high)

    def layer(name: str, x: np.ndarray, bits: int, padding: int = 0) -> tuple[np.ndarray, np.ndarray]:
        weight = stored[f"{name}.weight"]
        weight = weight if weight.ndim == 4 else weight[:, :, None, None]
        k, side = weight.shape[-1], x.shape[-1] + 2 * padding - weight.shape[-1] + 1
        x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
        sums = np.zeros((len(x), len(weight), side, side), np.int64) + stored[f"{name}.bias"][:, None, None]
        for y in range(k):
            for z in range(k):
                sums += np.einsum("nchw,oc->nohw", x[:, :, y : y + side, z : z + side], weight[:, :, y, z])
        return sums, stored[f"{name}.shift"] + bits

    bottom = card.shape.bottom
    z = np.clip(np.rint(latents.astype(np.float64) * 32), -128, 127).astype(np.int64)
    sums, have = layer("linear", z[:, :, None, None], 5)
    x = sums.reshape(len(z), -1, bottom, bottom) << (12 - have.reshape(-1, bottom, bottom) + 12)
    have = np.full(x.shape[1], 24)
    for block in range(len(card.shape.widths) - 1):
        name = f"blocks.{block}"
        up, bits = layer(f"{name}.up", steps(x, have, 4, 0, 127), 4, padding=1)
        up = steps(up, bits, 4, 0, 127)
        outputs, side = up.shape[1] // 4, x.shape[-1]
        y = np.zeros((len(z), outputs, 2 * side, 2 * side), np.int64)
        for a in (0, 1):
            for b in (0, 1):
                first = (2 * a + b) * outputs
                y[:, :, a::2, b::2] = up[:, first : first + outputs, a : a + side, b : b + side]
        conv, conv_bits = layer(f"{name}.conv", y, 4, padding=1)
        direct, direct_bits = layer(f"{name}.shortcut", steps(x, have, 4, -128, 127), 4)
        direct = direct.repeat(2, 2).repeat(2, 3)
        x = (conv << (24 - conv_bits)[:, None, None]) + (direct << (24 - direct_bits)[:, None, None])
        have = np.full(outputs, 24)
    tones, bits = layer("conv", steps(x, have, 4, 0, 127), 4, padding=1)
    entries = steps(tones, bits, screen.BITS, -screen.HALF, screen.HALF - 1) + screen.HALF
    return stored["screen"][entries].transpose(0, 2, 3, 1).astype(np.uint8)


def test_images_are_what_integers_give(generator: ExactSNGANGenerator, latents: np.ndarray) -> None:
    """A slow reference in int64 gives every pixel."""
    assert np.array_equal(generator.images(latents[::5]), in_int64(latents[::5]))


@pytest.mark.usefixtures("threads")
def test_an_image_does_not_depend_on_its_company(generator: ExactSNGANGenerator, latents: np.ndarray) -> None:
    """Alone, in any batch, in any order and on any number of threads: the same bits."""
    together = generator.images(latents)
    order = np.random.default_rng(0).permutation(len(latents))
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        assert np.array_equal(together, generator.images(latents))
        assert np.array_equal(together[order], generator.images(latents[order]))
        for rows in (1, 2, 3, 5, 17, 33):
            assert np.array_equal(together[:rows], generator.images(latents[:rows]))
    for row in range(0, len(latents), 7):
        assert np.array_equal(together[[row]], generator.images(latents[[row]]))
    assert generator.images(latents[:0]).shape == (0, 32, 32, 3)


def test_nothing_is_padded(generator: ExactSNGANGenerator, latents: np.ndarray) -> None:
    assert [sum(map(len, generator._padded(latents[:rows]))) for rows in range(1, 41)] == list(range(1, 41))


@pytest.mark.parametrize("arithmetic", ["floats", "products"])
@pytest.mark.parametrize("steps", [CompiledSteps(), TensorSteps()], ids=["loops", "tensors"])
def test_every_arithmetic_gives_the_same_bits(
    generator: ExactSNGANGenerator, latents: np.ndarray, arithmetic: Arithmetic, steps: Steps
) -> None:
    """Float32 sums and products of int8 matrices, as on accelerators, are as exact as integer convolutions."""
    _ = generator.network
    cpu = torch.device("cpu")
    sizes = SNGANShape()
    table = generator.network.table
    rendering = SNGANRendering(sizes, generator._layers, table, cpu, arithmetic=arithmetic, steps=steps)
    with torch.inference_mode():
        found = rendering(torch.from_numpy(latents)).numpy()
    assert np.array_equal(found, generator.images(latents))


def test_gradients_flow_through_the_same_pixels(generator: ExactSNGANGenerator, latents: np.ndarray) -> None:
    """White-box solvers see the pixels of `images`; every coordinate of a sample of the prior has a gradient."""
    assert isinstance(generator, DifferentiableGenerator)
    assert isinstance(generator, DeviceGenerator)
    z = torch.from_numpy(latents[:8]).requires_grad_()
    pixels = generator.pixels(z)
    assert np.array_equal(pixels.detach().round().numpy(), generator.images(latents[:8]))
    assert float((pixels - pixels.round()).detach().abs().max()) < 1e-3
    (slope,) = torch.autograd.grad(pixels.mean(), z)
    assert bool(torch.isfinite(slope).all())
    assert float((slope != 0).float().mean()) > 0.99


def test_rounding_changes_samples_by_two_grey_levels(generator: ExactSNGANGenerator, latents: np.ndarray) -> None:
    """Its samples of the prior are those of the float32 generator, as far as an eye can tell."""
    source = amb.generator("cifar10-sngan").images(latents[:20])
    difference = np.abs(source.astype(int) - generator.images(latents[:20]))
    assert 0 < difference.mean() < 2.5


@pytest.mark.parametrize(
    "shape", [SNGANShape(widths=(16, 8, 8, 8)), SNGANShape(bottom=7, widths=(8, 8, 8), channels=1)]
)
def test_folding_keeps_the_function(shape: SNGANShape, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without rounding, the network without batch norms makes the images of the one with them."""
    from amb_problems.generators.exact import sngan

    torch.manual_seed(0)
    network = SNGAN(shape)
    with torch.no_grad():
        for _ in range(3):  # batch statistics of its own in every layer
            network(torch.randn(32, 128))
        network.eval()
        given = torch.randn(16, 128)
        folded = fold(network, torch.randn(64, 128))
        monkeypatch.setattr(sngan, "rounded", lambda x, values: x if values.low else x.clamp(min=0))
        torch.testing.assert_close(folded(given), network(given), atol=1e-4, rtol=0)


def test_sums_that_might_be_rounded_are_refused() -> None:
    """Two layers that are exact alone may not be exact when their outputs are added."""
    tensors, card = checkpoint.load(NAME, ExactSNGANCard)
    network = ExactSNGAN(card.shape)
    layers = read_layers(network, tensors)
    check_sums(layers, network.sums())
    layers["blocks.0.shortcut"].shift.add_(8)
    with pytest.raises(CheckpointError, match=r"sum of blocks\.0\.conv, blocks\.0\.shortcut"):
        check_sums(layers, network.sums())
    del tensors["screen"]
    with pytest.raises(CheckpointError, match="needs screen"):
        read_table(tensors)


def test_the_command_rounds_the_generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`amb train` makes the shipped images again, up to what another processor rounds in estimating ranges."""
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    monkeypatch.setattr(image_sets, "load", lambda *_: SimpleNamespace(train_images=images, test_images=images))
    seen: list[object] = []
    options = {"seed": 0, "device": "cpu", "minutes": None, "progress": seen.append}
    exact_gan.train(name=NAME, data=tmp_path, out=tmp_path, **options)
    assert len(seen) == 1
    z = np.random.default_rng(1).standard_normal((8, 128), np.float32)
    found = ExactSNGANGenerator(tmp_path / NAME).images(z).astype(int)
    assert np.abs(found - amb.generator(NAME).images(z)).mean() < 1.5
    assert any("4 test images" in metric for metric in checkpoint.read_card(tmp_path / NAME).metrics)
