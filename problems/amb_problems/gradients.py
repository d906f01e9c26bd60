"""Gradients of activations with respect to latents, through a generator and a relaxed target."""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from amb.contracts.space import FloatArray
from amb_problems.threads import one_thread_each

CHUNK = 8
"""Latents at a time, the last chunk padded: other sizes take other kernels, with other rounding."""


@runtime_checkable
class DifferentiableGenerator(Protocol):
    """A generator through which gradients flow."""

    def pixels(self, latents: Tensor) -> Tensor:
        """float32[n, d] -> float32[n, h, w, c] in 0..255, rounded, the gradient as if it were not."""


@runtime_checkable
class DifferentiableTarget(Protocol):
    """A target with a relaxation through which gradients flow."""

    def relaxed(self, pixels: Tensor, layer: str) -> Tensor:
        """Pixels float32[n, h, w, c] in 0..255 -> activations of the layer's units, float32[n, units]."""


def gradients(
    generator: DifferentiableGenerator,
    target: DifferentiableTarget,
    layer: str,
    units: tuple[int, ...],
    latents: FloatArray,
    *,
    device: str,
) -> tuple[FloatArray, FloatArray]:
    """Relaxed activations, mean of the units, and their gradients: float64[n] and float64[n, d].

    Args:
        generator, target: on `device`.
        layer, units: what is driven.
        latents: float64[n, d].
        device: where both are.
    """
    count = max(1, -(-len(latents) // CHUNK))
    padded = np.zeros((count * CHUNK, latents.shape[1]), np.float32)
    padded[: len(latents)] = latents

    def one(chunk: np.ndarray) -> tuple[FloatArray, FloatArray]:
        z = torch.from_numpy(chunk).to(device).requires_grad_()
        activations = target.relaxed(generator.pixels(z), layer)[:, list(units)].mean(1)
        (slope,) = torch.autograd.grad(activations.sum(), z)
        return activations.detach().cpu().numpy().astype(np.float64), slope.cpu().numpy().astype(np.float64)

    found = one_thread_each(one, list(padded.reshape(count, CHUNK, -1)))
    values, slopes = (np.concatenate(part)[: len(latents)] for part in zip(*found, strict=True))
    return values, slopes
