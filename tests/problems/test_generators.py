"""Generators: an image is a function of its own latent, to the bit."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import amb
from amb.catalogue.plugins import plugins
from amb.contracts.generator import Generator, chunks
from amb.errors import CandidateError, CheckpointError, SpecError
from amb_problems import checkpoint
from amb_problems.cards import SNGANCard, SNGANShape, VQVAECard, VQVAEShape
from amb_problems.generators.folded import fold
from amb_problems.generators.padding import Padding
from amb_problems.generators.sngan import SNGAN
from amb_problems.generators.torch_generator import SNGANGenerator, TorchGenerator

LOADED = ["toy", "cifar10-sngan"]


@pytest.fixture(scope="module", params=LOADED)
def generator(request: pytest.FixtureRequest) -> Generator:
    return amb.generator(request.param)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def latents(generator: Generator, count: int) -> np.ndarray:
    # Wider than the prior, as solvers' latents are.
    scale = np.float32(2)
    return scale * np.random.default_rng(3).standard_normal((count, generator.latent_dim), np.float32)


def test_images_have_the_promised_form(generator: Generator) -> None:
    """uint8 [n, h, w, c]; no latents give no images of the same size."""
    images = generator.images(latents(generator, 3))
    assert images.dtype == np.uint8
    assert images.shape == (3, 32, 32, 3)
    assert generator.images(latents(generator, 0)).shape == (0, 32, 32, 3)


def test_an_image_does_not_depend_on_its_company(generator: Generator) -> None:
    """Alone, at any position of a chunk, or with other neighbours: the same bits."""
    given = latents(generator, 37)
    together = generator.images(given)
    for row in (0, 1, 15, 16, 36):
        assert np.array_equal(together[row : row + 1], generator.images(given[row : row + 1]))
    order = np.random.default_rng(0).permutation(37)
    assert np.array_equal(together[order], generator.images(given[order]))


@pytest.mark.parametrize("name", ["cifar10-sngan", "mnist-sngan", "cifar10-vqvae"])
@given(rows=st.integers(1, 37), seed=st.integers(0, 2**32), threads=st.sampled_from([1, 2, 3]))
@settings(max_examples=8, deadline=None)
def test_padding_changes_no_bit(name: str, rows: int, seed: int, threads: int) -> None:
    """However few latents are rendered, their images have the bits that they have in whole chunks of sixteen."""
    generator = amb.generator(name)
    assert isinstance(generator, TorchGenerator)
    latents = generator.grid().latents(generator.grid().space.sample(rows, np.random.default_rng(seed)))
    whole = np.concatenate(generator._render_all(chunks(latents, 16)))[:rows]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        assert np.array_equal(whole, generator.images(latents))
    finally:
        torch.set_num_threads(before)


def test_padding_avoids_sizes_with_other_bits() -> None:
    """A batch is padded to the smallest size whose outputs equal the whole chunk's at both ends."""

    def outputs(latents: np.ndarray) -> torch.Tensor:  # sums otherwise in batches of 1 to 3, and of 6
        rounded = torch.from_numpy(latents).sum(1)
        return rounded if len(latents) in (1, 2, 3, 6) else rounded + 1e-3

    padding = Padding(outputs, np.ones((16, 2), np.float32))
    assert [padding.size(rows) for rows in range(1, 17)] == [4, 4, 4, 4, 5, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
    rows = np.arange(44, dtype=np.float32).reshape(22, 2)
    assert [len(chunk) for chunk in padding.chunks(rows)] == [11, 11]
    assert [len(chunk) for chunk in padding.chunks(rows[:18], threads=2)] == [9, 9]
    assert [len(chunk) for chunk in padding.chunks(rows[:0])] == [4]
    for count in range(1, 23):
        joined = np.concatenate(padding.chunks(rows[:count], threads=3))
        assert np.array_equal(joined[:count], rows[:count])
        assert not joined[count:].any()


@pytest.mark.usefixtures("threads")
def test_an_image_does_not_depend_on_threads(generator: Generator) -> None:
    """Any number of threads gives the same bits, and is what it was afterwards."""
    digests = set()
    for count in (1, 2, 3, 5):
        torch.set_num_threads(count)
        digests.add(hashlib.sha256(generator.images(latents(generator, 40)).tobytes()).hexdigest())
        assert torch.get_num_threads() == count
    assert len(digests) == 1


def test_memory_layout_and_type_do_not_matter(generator: Generator) -> None:
    """Views, lists and float64 latents are taken as their float32 values."""
    given = latents(generator, 4)
    expected = generator.images(given)
    assert np.array_equal(expected, generator.images(np.asfortranarray(given)))
    assert np.array_equal(expected, generator.images(given.astype(np.float64)))
    assert np.array_equal(expected, generator.images(given.tolist()))


def test_wrong_latents_are_refused(generator: Generator) -> None:
    """A wrong shape and a NaN are errors that say what was expected."""
    with pytest.raises(CandidateError, match=rf"\[n, {generator.latent_dim}\]"):
        generator.images(np.zeros((2, 7), np.float32))
    with pytest.raises(CandidateError, match="finite"):
        generator.images(np.full((1, generator.latent_dim), np.nan, np.float32))


def test_the_toy_shows_its_latent() -> None:
    """Zeros are mid-grey, coordinate 0 is brightness, and out of range is clipped."""
    toy = amb.generator("toy")
    given = np.zeros((3, 16), np.float32)
    given[1, 0], given[2, 0] = 2, 400
    grey, bright, clipped = toy.images(given)
    assert np.unique(grey).tolist() == [128]
    assert np.unique(bright).tolist() == [191]
    assert np.unique(clipped).tolist() == [255]


def test_the_toy_tells_latents_apart() -> None:
    """Every coordinate changes the image."""
    toy = amb.generator("toy")
    assert len(np.unique(toy.images(np.eye(16, dtype=np.float32)).reshape(16, -1), axis=0)) == 16


def test_the_shipped_generator_makes_natural_statistics() -> None:
    """Prior samples differ from each other and have about the data's mean (121) and deviation (64)."""
    generator = amb.generator("cifar10-sngan")
    images = generator.images(np.random.default_rng(1).standard_normal((256, 128), np.float32))
    assert 100 < images.mean() < 140
    assert 45 < images.std() < 80
    assert images.astype(float).std(0).mean() > 35


@pytest.mark.parametrize(
    "shape", [SNGANShape(widths=(16, 8, 8, 8)), SNGANShape(bottom=7, widths=(8, 8, 8), channels=1)]
)
def test_folding_keeps_the_function(shape: SNGANShape) -> None:
    """The network for inference makes the training network's images, up to rounding."""
    torch.manual_seed(0)
    network = SNGAN(shape)
    with torch.no_grad():
        for _ in range(3):  # batch statistics of its own in every layer
            network(torch.randn(32, 128))
    network.eval()
    given = torch.randn(16, 128)
    with torch.no_grad():
        expected = network(given)
        found = fold(network)(given)
    assert expected.shape == (16, shape.channels, shape.size, shape.size)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_names_and_their_errors() -> None:
    """What is listed loads; what is not is answered with the nearest name."""
    assert set(LOADED) <= set(plugins("generators"))
    with pytest.raises(SpecError, match="cifar10-sngan"):
        amb.generator("cifar-sngan")


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    """Another network's weights, or a shape that does not fit, are named as the cause."""
    checkpoint.save(tmp_path / "cnn", {"w": torch.zeros(1)}, VQVAECard(shape=VQVAEShape()))
    with pytest.raises(CheckpointError, match="'vqvae', expected 'sngan'"):
        SNGANGenerator(tmp_path / "cnn")
    checkpoint.save(tmp_path / "odd", {"w": torch.zeros(1)}, SNGANCard(shape=SNGANShape()))
    with pytest.raises(CheckpointError, match="does not fit"):
        SNGANGenerator(tmp_path / "odd").on("cpu")
    with pytest.raises(CheckpointError, match=r"`shape\.widths`: expected `array` of length >= 1"):
        checkpoint.amend(tmp_path / "odd", shape={"widths": []})
