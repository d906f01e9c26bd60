"""Features by name: banks without training, shipped plain networks, ImageNet's, and the user's own modules."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amb.catalogue.plugins import find
from amb.catalogue.targets import target
from amb.contracts.images import Shape
from amb.contracts.target import Target
from amb.errors import AmbError, SolverError
from amb_solvers.image_seeing.banks import Bank, GaborColour, RandomConvolutions

SAMPLE = 64
"""Images by which random convolutions are scaled."""


def banks(names: Sequence[str], shape: Shape, images: NDArray[np.uint8]) -> list[Bank]:
    """The banks of these names.

    Args:
        names: "random", "gabor", names of targets, or ``module.function`` that returns a torch module.
        shape: of the images.
        images: uint8[n, h, w, c], typical ones.

    Raises:
        SolverError: no such network, one for images of another shape, or one without differentiable maps.
    """
    return [_bank(name, shape, images) for name in names]


def _bank(name: str, shape: Shape, images: NDArray[np.uint8]) -> Bank:
    if name == "gabor":
        return GaborColour()
    if name == "random":
        return RandomConvolutions(torch.from_numpy(images[:SAMPLE].copy()).float())
    try:
        network = _network(name, shape)
        if tuple(network.shape) != tuple(shape):
            raise SolverError(f"it takes images {list(network.shape)}, and the generator makes {list(shape)}")
        bank = NetworkMaps(network)
        bank(torch.zeros(1, *shape))
    except AmbError as refusal:
        raise SolverError(f"features {name!r}: {refusal}") from refusal
    return bank


def _network(name: str, shape: Shape) -> Target:
    """A target by its name, or of what ``module.function`` names: a torch module, or a function that returns one."""
    if "." in name:
        module, _, attribute = name.rpartition(".")
        return target(find("targets", f"{module}:{attribute}").load(), shape=shape, name="features")
    # ImageNet's networks enlarge images of any size.
    return target(name, shape=shape) if name.startswith("imagenet-") else target(name)


class NetworkMaps:
    """The maps of a plain network's rectifiers.

    Args:
        network: a target that offers differentiable maps.
    """

    def __init__(self, network: Target) -> None:
        self._network = network

    def __call__(self, pixels: Tensor) -> list[Tensor]:
        return self._network.maps(pixels)
