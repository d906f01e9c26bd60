"""The shipped generators of codes and of digits: what their cards promise, on images that the tests make themselves."""

import numpy as np
import pytest

import amb
from amb.catalogue.problems import expand, family, family_names
from amb_problems import checkpoint
from amb_problems.training.vqvae import reconstruction_error

pytestmark = pytest.mark.usefixtures("one_thread")

SPIKING, PLAIN = ("snn-cnn", "snn-resnet18"), ("ann-alexnet", "ann-densenet", "ann-resnet", "ann-vgg")


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Images much as CIFAR-10's: samples of the other generator."""
    latents = np.random.default_rng(5).standard_normal((64, 128), np.float32)
    return amb.generator("cifar10-sngan").images(latents)


def test_codes_keep_an_image(pictures: np.ndarray) -> None:
    """Of images that it has never seen little is lost; of noise, which has no such codes, almost everything."""
    generator = amb.generator("cifar10-vqvae")
    error = reconstruction_error(pictures, generator.images(generator.encode(pictures)))
    noise = np.random.default_rng(0).integers(0, 256, pictures.shape, np.uint8)
    lost = reconstruction_error(noise, generator.images(generator.encode(noise)))
    assert error < 0.1
    assert lost > 0.8


def test_the_card_states_an_error_below_the_bar() -> None:
    metrics = checkpoint.read_card("cifar10-vqvae").metrics
    (error,) = (value for name, value in metrics.items() if "of 10000 test images from their codes" in name)
    assert error <= 0.07
    assert metrics["codes used for them"] > 256


def test_encoding_again_changes_little(pictures: np.ndarray) -> None:
    """An image made of codes has nearly these codes, and the image of those is nearer to it than it was to its own."""
    generator = amb.generator("cifar10-vqvae")
    codes = generator.encode(pictures)
    made = generator.images(codes)
    again = generator.encode(made)
    assert (again == codes).mean() > 0.8
    remade = generator.images(again)
    assert reconstruction_error(made, remade) < 0.5 * reconstruction_error(pictures, made)


def test_neighbours_in_the_principal_order_look_more_alike() -> None:
    """Images of one code everywhere differ less from their neighbours' than in the order of the numbers."""
    generator = amb.generator("cifar10-vqvae")
    levels = np.repeat(np.arange(512)[:, None], 64, axis=1)

    def step(choice: str) -> float:
        images = generator.images(generator.grid(codes=choice).latents(levels)).astype(float)
        return float(np.abs(np.diff(images, axis=0)).mean())

    assert step("principal") < 0.7 * step("index")


def test_an_image_of_codes_does_not_depend_on_its_company(pictures: np.ndarray) -> None:
    generator = amb.generator("cifar10-vqvae")
    codes = generator.encode(pictures)
    images = generator.images(codes)
    for row in (0, 17, 63):
        assert np.array_equal(images[[row]], generator.images(codes[[row]]))
        assert np.array_equal(codes[[row]], generator.encode(pictures[[row]]))


def test_digits_are_strokes_on_black() -> None:
    """Samples have about MNIST's mean (33) and deviation (79), differ, and are seen as digits of several classes."""
    generator = amb.generator("mnist-sngan")
    images = generator.images(np.random.default_rng(1).standard_normal((64, 128), np.float32))
    assert images.shape == (64, 28, 28, 1)
    assert 20 < images.mean() < 50
    assert 60 < images.std() < 95
    assert images.astype(float).std(0).mean() > 30
    counts = amb.target("mnist-snn").all_activations(images[:24], [("out", digit) for digit in range(10)])
    assert len(set(counts.argmax(1))) >= 5


def test_codes_go_before_every_target_for_their_images() -> None:
    found = {name.split("/")[1] for name in family_names() if name.startswith("cifar10-vqvae/")}
    assert {*SPIKING, *PLAIN} <= found
    assert "mnist-snn" not in found
    assert "mnist-sngan/mnist-snn" in family_names()
    for target in (*SPIKING, *PLAIN):
        assert dict(family(f"cifar10-vqvae/{target}").layers()) == dict(family(f"cifar10-sngan/{target}").layers())
    assert expand("*-vqvae/snn-cnn/sn1/0..1") == ["cifar10-vqvae/snn-cnn/sn1/0", "cifar10-vqvae/snn-cnn/sn1/1"]
