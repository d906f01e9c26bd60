"""Exact generators: an image is its latent's, to the bit, whatever computes it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import amb
from amb.contracts.generator import Generator
from amb_problems.abilities import DeviceGenerator, DifferentiableGenerator
from amb_problems.engine.convolution import Arithmetic
from amb_problems.generators.exact.decoder_rendering import DecoderRendering
from amb_problems.generators.exact.generator import ExactGenerator
from amb_problems.generators.exact.sngan_generator import ExactSNGANGenerator
from amb_problems.generators.exact.sngan_rendering import SNGANRendering
from amb_problems.generators.exact.steps import CompiledSteps, Steps, TensorSteps
from amb_problems.generators.exact.vqvae_generator import ExactVQVAEGenerator

from .in_integers import IntegerLayers

SNGANS = ("cifar10-sngan-int8", "mnist-sngan-int8")
NAMES = (*SNGANS, "cifar10-vqvae-int8")


@pytest.fixture(scope="module", params=NAMES)
def generator(request: pytest.FixtureRequest) -> ExactGenerator:
    loaded = amb.generator(request.param)
    assert isinstance(loaded, ExactGenerator)
    return loaded


@pytest.fixture(scope="module")
def latents(generator: ExactGenerator) -> np.ndarray:
    return sample(generator)


def sample(generator: Generator) -> np.ndarray:
    """Samples of the prior, some wider than it, as solvers' latents are, and two beyond the range of bytes."""
    rng = np.random.default_rng(3)
    if isinstance(generator, ExactVQVAEGenerator):
        return rng.integers(0, 512, (40, generator.latent_dim)).astype(np.float32)
    rows = rng.standard_normal((40, generator.latent_dim), np.float32)
    rows[20:] *= 2.3
    rows[-2:] *= 10
    return rows


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def table_of(generator: ExactGenerator) -> torch.Tensor:
    """The pixel of every tone; the weights are loaded, too."""
    network = generator.network
    table = (network.decoder if isinstance(generator, ExactVQVAEGenerator) else network).table
    assert isinstance(table, torch.Tensor)
    return table


def test_images_are_what_integers_give(generator: ExactGenerator, latents: np.ndarray) -> None:
    """A slow reference in int64 gives every pixel."""
    few = latents[::5]
    layers = IntegerLayers(generator._layers, table_of(generator))
    if isinstance(generator, ExactVQVAEGenerator):
        expected = layers.decoder(generator._sizes, few)
    else:
        assert isinstance(generator, ExactSNGANGenerator)
        expected = layers.sngan(generator._sizes, few)
    assert np.array_equal(generator.images(few), expected)


@pytest.mark.usefixtures("threads")
def test_an_image_does_not_depend_on_its_company(generator: ExactGenerator, latents: np.ndarray) -> None:
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
    assert generator.images(latents[:0]).shape == (0, *generator.shape)


def test_nothing_is_padded(generator: ExactGenerator, latents: np.ndarray) -> None:
    assert [sum(map(len, generator._padded(latents[:rows]))) for rows in range(1, 41)] == list(range(1, 41))


@pytest.mark.parametrize("arithmetic", ["floats", "products"])
@pytest.mark.parametrize("steps", [CompiledSteps(), TensorSteps()], ids=["loops", "tensors"])
def test_every_arithmetic_gives_the_same_bits(
    generator: ExactGenerator, latents: np.ndarray, arithmetic: Arithmetic, steps: Steps
) -> None:
    """Float32 sums and products of int8 matrices, as on accelerators, are as exact as integer convolutions."""
    few, parts = latents[::4], (generator._layers, table_of(generator), torch.device("cpu"))
    chosen = {"arithmetic": arithmetic, "steps": steps}
    if isinstance(generator, ExactVQVAEGenerator):
        rendering = DecoderRendering(generator._sizes, generator.network.decoder.vectors(), *parts, **chosen)
    else:
        assert isinstance(generator, ExactSNGANGenerator)
        rendering = SNGANRendering(generator._sizes, *parts, **chosen)
    with torch.inference_mode():
        found = rendering(torch.from_numpy(few)).numpy()
    assert np.array_equal(found, generator.images(few))


@pytest.mark.parametrize(("instructions", "torch_instructions"), [("SSE41", "default"), ("AVX2", "avx2")])
def test_older_processors_give_the_same_bits(instructions: str, torch_instructions: str, tmp_path: Path) -> None:
    """Where libraries know older instructions only, other kernels derive the weights and compute the images."""
    given = {name: sample(amb.generator(name))[::8] for name in NAMES}
    np.savez(tmp_path / "latents.npz", **given)
    code = (
        "import numpy as np, torch, amb\n"
        "torch.set_num_threads(1)\n"
        "images = {name: amb.generator(name).images(rows) for name, rows in np.load('latents.npz').items()}\n"
        "np.savez('images.npz', **images)"
    )
    older = {"ONEDNN_MAX_CPU_ISA": instructions, "ATEN_CPU_CAPABILITY": torch_instructions}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=os.environ | older)
    with np.load(tmp_path / "images.npz") as found:
        for name in NAMES:
            assert np.array_equal(found[name], amb.generator(name).images(given[name])), name


@pytest.mark.parametrize("name", SNGANS)
def test_gradients_flow_through_the_same_pixels(name: str) -> None:
    """White-box solvers see the pixels of `images`; every coordinate of a sample of the prior has a gradient."""
    generator = amb.generator(name)
    assert isinstance(generator, DifferentiableGenerator)
    assert isinstance(generator, DeviceGenerator)
    drawn = np.random.default_rng(3).standard_normal((8, generator.latent_dim), np.float32)
    z = torch.from_numpy(drawn).requires_grad_()
    pixels = generator.pixels(z)
    assert np.array_equal(pixels.detach().round().numpy(), generator.images(drawn))
    assert float((pixels - pixels.round()).detach().abs().max()) < 1e-3
    (slope,) = torch.autograd.grad(pixels.mean(), z)
    assert bool(torch.isfinite(slope).all())
    assert float((slope != 0).float().mean()) > 0.99


def test_gradients_of_codes_belong_to_the_same_pixels() -> None:
    """Image-seeing solvers see the pixels of `images`, and a slope for every code at every position."""
    generator = amb.generator("cifar10-vqvae-int8")
    assert isinstance(generator, ExactVQVAEGenerator)
    codes = np.random.default_rng(3).integers(0, 512, (4, 64))
    weights = torch.nn.functional.one_hot(torch.from_numpy(codes), 512).float().requires_grad_()
    pixels = generator.code_pixels(weights)
    assert np.array_equal(pixels.detach().round().numpy(), generator.images(codes.astype(np.float32)))
    (slope,) = torch.autograd.grad(pixels.mean(), weights)
    assert bool(torch.isfinite(slope).all())
    assert float((slope != 0).float().mean()) > 0.9


@pytest.mark.parametrize(("name", "most"), [(SNGANS[0], 2.5), (SNGANS[1], 1.0), ("cifar10-vqvae-int8", 1.0)])
def test_rounding_changes_samples_little(name: str, most: float) -> None:
    """Samples of the prior are those of the float32 generator, as far as an eye can tell: a few grey levels."""
    exact, source = amb.generator(name), amb.generator(name.removesuffix("-int8"))
    grid = exact.grid()
    latents = grid.latents(grid.space.sample_prior(20, np.random.default_rng(3)))
    difference = np.abs(source.images(latents).astype(int) - exact.images(latents))
    assert 0 < difference.mean() < most


def test_codes_are_those_of_the_source() -> None:
    """An image has the same codes, and the grids the same order of codes, as in the float32 VQ-VAE."""
    exact, source = amb.generator("cifar10-vqvae-int8"), amb.generator("cifar10-vqvae")
    images = source.images(np.random.default_rng(0).integers(0, 512, (3, 64)).astype(np.float32))
    assert np.array_equal(exact.encode(images), source.encode(images))
    for codes in ("unordered", "principal", "index"):
        candidates = np.random.default_rng(1).integers(0, 512, (2, 64))
        grids = [one.grid(codes=codes) for one in (exact, source)]
        assert np.array_equal(*(grid.latents(candidates) for grid in grids))
        assert grids[0].space.ordinal == grids[1].space.ordinal == (codes != "unordered")
