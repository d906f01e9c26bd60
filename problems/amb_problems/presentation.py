"""Showing a target what a generator makes: on an accelerator, images never leave it."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from amb.contracts.generator import Generator
from amb.contracts.space import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

    from amb_problems.problem import Target

Units = Sequence[tuple[str, int]]


@runtime_checkable
class DeviceGenerator(Protocol):
    """A generator that can leave its images where it made them."""

    def device_images(self, latents: NDArray[np.float32]) -> "Tensor":
        """float32[n, d] -> uint8[n, h, w, c] on the device, the bits of `images`."""


@runtime_checkable
class DeviceTarget(Protocol):
    """A target that looks at images that are on its device."""

    def device_activations(self, images: "Tensor", units: Units) -> FloatArray:
        """As `activations`, of uint8[n, h, w, c] on the device; only the responses come to the host."""


@dataclass(frozen=True)
class Shown:
    """Responses, and the seconds that generator and target took for them."""

    activations: FloatArray
    generator_seconds: float
    target_seconds: float


def present(
    generator: Generator, target: "Target", latents: NDArray[np.float32], units: Units, *, device: str
) -> Shown:
    """Show each latent's image to the target, which answers with the unit of the same place.

    Args:
        generator, target: both on `device`; away from the CPU, where both can, images stay there.
        latents: float32[n, d].
        units: n pairs of layer and channel.
        device: synchronized before each clock is read.
    """
    start = _now(device)
    if device != "cpu" and isinstance(generator, DeviceGenerator) and isinstance(target, DeviceTarget):
        on_device = generator.device_images(latents)
        middle = _now(device)
        activations = target.device_activations(on_device, units)
    else:
        images = generator.images(latents)
        middle = _now(device)
        activations = target.activations(images, units)
    return Shown(activations, middle - start, _now(device) - middle)


def _now(device: str) -> float:
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)
    return perf_counter()
