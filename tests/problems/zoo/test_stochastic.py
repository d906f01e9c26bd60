"""A network that draws random numbers is seeded by what it is shown: a value is still a function of the image alone."""

import random

import numpy as np
import pytest
import torch

import amb

from .specimen import Specimen
from .state import state, with_gradients
from .stochastic_networks import SPECIMENS

REPEATS = 40


@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda specimen: specimen.name)
def test_an_image_always_gives_the_same_sample(specimen: Specimen) -> None:
    """Alone, in a batch, in any order, in another target of the same network; whatever was drawn meanwhile."""
    networks = [with_gradients(specimen.built()) for _ in range(2)]
    before = [state(network) for network in networks]
    first, second = (amb.target(each, shape=specimen.shape, **specimen.options) for each in networks)  # type: ignore[arg-type]
    layer = specimen.layers[-1]
    images = specimen.images(5)
    together = first.activations(images, [(layer, 1)] * 5)
    torch.rand(3)
    alone = [second.activations(images[i : i + 1], [(layer, 1)])[0] for i in range(5)]
    assert np.array_equal(together, alone)
    assert np.array_equal(together[::-1], first.activations(images[::-1], [(layer, 1)] * 5))
    assert first.fingerprint == second.fingerprint
    assert [state(network) for network in networks] == before


@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda specimen: specimen.name)
def test_global_generators_are_left_alone(specimen: Specimen) -> None:
    target = amb.target(specimen.built(), shape=specimen.shape, **specimen.options)  # type: ignore[arg-type]
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index,union-attr]  # noqa: NPY002
    target.activations(specimen.images(2), [(specimen.layers[-1], 0)] * 2)
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002
    assert before[2] == random.getstate()


@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda specimen: specimen.name)
def test_samples_come_from_the_networks_own_distribution(specimen: Specimen) -> None:
    """Over many images that differ in one grey level, they spread as samples of the plain loop do."""
    target = amb.target(specimen.built(), shape=specimen.shape, **specimen.options)  # type: ignore[arg-type]
    layer, image = specimen.layers[-1], specimen.images(1)[0]
    nearly = np.repeat(image[None], REPEATS, axis=0)
    nearly[np.arange(REPEATS), 0, np.arange(REPEATS) % specimen.shape[1], 0] ^= 1
    nearly[np.arange(REPEATS), 1, np.arange(REPEATS) // specimen.shape[1], 0] ^= 1
    found = np.stack([target.activations(nearly, [(layer, unit)] * REPEATS) for unit in range(4)], 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        states = np.random.get_state(), random.getstate()  # noqa: NPY002
        plain = np.stack([sample(specimen, image)[layer][:4] for _ in range(REPEATS)])
        np.random.set_state(states[0])  # noqa: NPY002
        random.setstate(states[1])
    spread = np.sqrt(found.var(0) + plain.var(0)) / np.sqrt(REPEATS)
    assert found.var(0).max() > 0, "different images draw different numbers"
    assert np.all(np.abs(found.mean(0) - plain.mean(0)) < 5 * spread + 1e-3)
    assert found.std(0).mean() < 2 * plain.std(0).mean()
    assert plain.std(0).mean() < 2 * found.std(0).mean()


def sample(specimen: Specimen, image: np.ndarray) -> dict[str, np.ndarray]:
    """One sample of the plain loop, which leaves torch's generator where it was: the next one must draw others."""
    values = specimen.plain(image)
    torch.rand(1)
    return values
