"""Showing a generator's images to a target: on an accelerator, images never leave it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amb.clock import CLOCK
from amb.contracts import returned
from amb.contracts.generator import Generator
from amb.contracts.space import FloatArray
from amb.contracts.target import Target
from amb_problems.abilities import DeviceGenerator, DeviceTarget, Units


@dataclass(frozen=True)
class TimedResponses:
    """Responses, and the seconds that generator and target took for them."""

    activations: FloatArray
    generator_seconds: float
    target_seconds: float


def present(
    generator: Generator, target: Target, latents: NDArray[np.float32], units: Units, *, device: str
) -> TimedResponses:
    """Show the target the image of each latent, and record the response of the unit in the same row.

    Args:
        generator, target: both on `device`; away from the CPU, images stay there if both can handle that.
        latents: float32[n, d].
        units: n pairs of layer and unit.
        device: synchronized before each clock is read.

    Raises:
        PluginError: one of them returned a number of images or responses other than that of the latents.
    """
    expected, responses = (len(latents), *generator.shape), (len(units),)
    start = _now(device)
    if device != "cpu" and isinstance(generator, DeviceGenerator) and isinstance(target, DeviceTarget):
        on_device = returned.images(generator.device_images(latents), expected, f"generator {generator.name}")
        middle = _now(device)
        activations = target.device_activations(on_device, list(units))
    else:
        images = returned.images(generator.images(latents), expected, f"generator {generator.name}")
        middle = _now(device)
        activations = target.activations(images, list(units))
    activations = returned.numbers(activations, responses, f"target {target.name}")
    end = _now(device)
    return TimedResponses(activations, max(0.0, middle - start), max(0.0, end - middle))


def _now(device: str) -> float:
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)
    return CLOCK.now()
