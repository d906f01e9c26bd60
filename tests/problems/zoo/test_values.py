"""Every network of the zoo gives, at every layer, what the plain loop gives: alone, in batches, in any order, again."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import amb
from amb.contracts.target import Target

from . import ZOO
from .random_networks import spiking, still
from .specimen import Specimen
from .state import state, with_gradients

IMAGES = 5


@pytest.fixture(autouse=True, scope="module")
def alone() -> Iterator[None]:
    """One thread, which small networks are fastest on."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def everything(target: Target) -> list[tuple[str, int]]:
    return [(layer, unit) for layer, number in target.layers.items() for unit in range(number)]


def by_layer(target: Target, values: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    units = everything(target)
    return {layer: values[..., [name == layer for name, _ in units]] for layer in target.layers}


def train_a_little(network: nn.Module, specimen: Specimen) -> None:
    """What a user may do with the network afterwards: use it, and change its weights."""
    with torch.no_grad():
        specimen.show(network, torch.rand(1, specimen.shape[2], *specimen.shape[:2]))
        for parameter in network.parameters():
            parameter.add_(1)


DRAWN = [make(seed) for make in (still, spiking) for seed in range(200)]
FEW = 5


@pytest.mark.parametrize(
    "specimen",
    [
        *ZOO,
        *(
            pytest.param(specimen, marks=[pytest.mark.slow] if seed % 200 >= FEW else [])
            for seed, specimen in enumerate(DRAWN)
        ),
    ],
    ids=lambda specimen: specimen.name,
)
def test_a_networks_values_are_those_of_the_plain_loop(specimen: Specimen) -> None:
    """At every layer that is offered, and the layers that a user would ask for are; and the network is as it was."""
    network, generator = with_gradients(specimen.built()), torch.random.get_rng_state()
    before = state(network)
    target = amb.target(network, shape=specimen.shape, **specimen.options)  # type: ignore[arg-type]
    assert set(specimen.layers) <= set(target.layers), {
        layer: why
        for layer, why in target.responses.survey.refused.items()
        if layer in specimen.layers  # type: ignore[attr-defined]
    }
    images, units = specimen.images(IMAGES), everything(target)
    together = target.all_activations(images, units)  # type: ignore[attr-defined]
    _ = target.fingerprint, target.card()
    assert state(network) == before
    assert torch.equal(torch.random.get_rng_state(), generator)
    found, plain = by_layer(target, together), [specimen.plain(image) for image in images]
    for layer, values in found.items():
        expected = np.stack([each[layer] for each in plain])
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=specimen.tolerance, err_msg=layer)
        assert layer not in specimen.layers or np.ptp(values, axis=0).max() > 0, f"{layer} proves nothing"

    some = units[:: max(1, len(units) // 12)]  # of all layers
    columns = [units.index(unit) for unit in some]
    rows = np.arange(len(some)) % IMAGES
    mixed = together[rows, columns]
    assert np.array_equal(mixed, target.activations(images[rows], some)), "every image with a unit of its own"
    assert np.array_equal(mixed[::-1], target.activations(images[rows][::-1], some[::-1])), "in another order"
    train_a_little(network, specimen)
    for row, unit, value in list(zip(rows, some, mixed, strict=True))[:3]:
        assert target.activations(images[row : row + 1], [unit])[0] == value, "alone, after the network was used"
    target.activations(specimen.images(3, seed=1), some[:1] * 3)
    assert np.array_equal(together, target.all_activations(images, units)), "again, after other images"  # type: ignore[attr-defined]
