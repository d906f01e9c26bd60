"""Where images are made and seen changes no bit of a response."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

import amb
from amb_problems.abilities import DeviceGenerator, DeviceTarget
from amb_problems.presentation import present
from amb_problems.targets.shipped import load

pytestmark = pytest.mark.usefixtures("one_thread")

UNITS = [("sn1", 3), ("sn2", 8), ("sn1", 29), ("out", 3)] * 5
LATENTS = np.random.default_rng(0).standard_normal((len(UNITS), 128)).astype(np.float32)


class Watched:
    """Passes calls on, and says what went through the host."""

    def __init__(self, device: str = "cpu") -> None:
        self.generator, self.target = amb.generator("cifar10-sngan", device=device), load("snn-cnn")
        self.host: list[str] = []
        self.name, self.shape = "watched", self.generator.shape

    def images(self, latents: np.ndarray) -> np.ndarray:
        self.host.append("images")
        return self.generator.images(latents)

    def device_images(self, latents: np.ndarray) -> torch.Tensor:
        return self.generator.device_images(latents)

    def activations(self, images: np.ndarray, units: Sequence[tuple[str, int]]) -> np.ndarray:
        self.host.append("activations")
        return self.target.activations(images, units)

    def device_activations(self, images: torch.Tensor, units: Sequence[tuple[str, int]]) -> np.ndarray:
        assert isinstance(images, torch.Tensor)
        return self.target.device_activations(images, units)


def test_away_from_the_cpu_images_do_not_pass_through_the_host() -> None:
    watched = Watched()
    assert isinstance(watched, DeviceGenerator)
    assert isinstance(watched, DeviceTarget)
    through_host = present(watched, watched, LATENTS, UNITS, device="cpu")
    assert watched.host == ["images", "activations"]
    watched.host.clear()
    resident = present(watched, watched, LATENTS, UNITS, device="elsewhere")
    assert watched.host == []
    assert np.array_equal(through_host.activations, resident.activations)
    assert resident.generator_seconds > 0
    assert resident.target_seconds > 0


def test_a_target_that_wants_arrays_gets_arrays_on_any_device() -> None:
    class Plain:
        name, shape = "plain", (32, 32, 3)

        def activations(self, images: np.ndarray, units: Sequence[tuple[str, int]]) -> np.ndarray:
            assert isinstance(images, np.ndarray)
            return images.mean(axis=(1, 2, 3)) / 255

    shown = present(Watched(), Plain(), LATENTS, UNITS, device="elsewhere")
    assert shown.activations.shape == (len(UNITS),)


def test_images_left_on_the_device_are_the_images() -> None:
    generator = amb.generator("cifar10-sngan")
    assert np.array_equal(generator.device_images(LATENTS[:5]).numpy(), generator.images(LATENTS[:5]))


@pytest.mark.gpu
def test_an_accelerator_responds_the_same_to_the_same_images() -> None:
    """The target is exact there; a generator's own pixels may differ by a grey level between devices."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    images = amb.generator("cifar10-sngan").images(LATENTS)
    for name, units in {"snn-cnn": UNITS, "snn-resnet18": [("layer2.0.sn2", 3)] * len(UNITS)}.items():
        here = load(name).activations(images, units)
        there = load(name, device="cuda").device_activations(torch.from_numpy(images).cuda(), units)
        assert np.array_equal(here, there), name
    there = amb.generator("cifar10-sngan", device="cuda").images(LATENTS)
    assert np.abs(there.astype(int) - images).max() <= 1
