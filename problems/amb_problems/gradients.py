"""Gradients of activations with respect to latents, through a generator and a relaxed target."""

import numpy as np
import torch

from amb.contracts.generator import chunks
from amb.contracts.space import FloatArray
from amb.errors import PluginError
from amb_problems.abilities import DifferentiableGenerator, DifferentiableTarget
from amb_problems.threads import one_thread_each

CHUNK = 8
"""Latents per chunk, the last one padded: other sizes use other kernels, which round differently."""


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
        generator, target: both on `device`.
        layer, units: the units to drive.
        latents: float64[n, d].
        device: "cpu" or "cuda".
    """

    def one(chunk: np.ndarray) -> tuple[FloatArray, FloatArray]:
        z = torch.from_numpy(chunk).to(device).requires_grad_()
        pixels, rows = generator.pixels(z), len(chunk)
        responses = target.relaxed(pixels, layer)
        if len(pixels) != rows or responses.ndim != 2 or len(responses) != rows:
            raise PluginError(
                f"layer {layer}: {rows} latents gave pixels {list(pixels.shape)} and responses "
                f"{list(responses.shape)}; expected [{rows}, h, w, c] and [{rows}, units]"
            )
        activations = responses[:, list(units)].mean(1)
        (slope,) = torch.autograd.grad(activations.sum(), z)
        return activations.detach().cpu().numpy().astype(np.float64), slope.cpu().numpy().astype(np.float64)

    parts = one_thread_each(one, chunks(latents.astype(np.float32), CHUNK))
    values, slopes = (np.concatenate(part)[: len(latents)] for part in zip(*parts, strict=True))
    return values, slopes
