"""A spiking network with surrogate spikes, through which gradients flow."""

import torch

from amb.errors import unknown
from amb_problems.targets.normalize import normalize
from amb_problems.targets.spiking.exact_network import ExactNetwork
from amb_problems.targets.spiking.surrogate import SurrogateLIF, set_frames

GRADIENT_FRAMES = 20
"""Frames of the relaxation from which surrogate gradients come."""


def relaxed(exact: ExactNetwork, pixels: torch.Tensor, layer: str) -> torch.Tensor:
    """Differentiable activations of a layer's units: float32 `[n, units]` of pixels `[n, h, w, c]` in 0..255.

    The same weights with surrogate spikes (arctan, no gradient through the reset), for at most `GRADIENT_FRAMES`
    frames: more frames cost proportionally more and hardly change the gradient's direction.

    Raises:
        SpecError: no such layer.
    """
    frames, lif = min(exact.frames, GRADIENT_FRAMES), exact.lif
    network = exact.build(
        lambda: SurrogateLIF(decay=lif.decay, threshold=lif.threshold, strict=lif.strict, reset=lif.reset)
    ).requires_grad_(False)
    set_frames(network, frames)
    x = normalize(pixels)
    for firing in network.walk(x):
        if firing.layer == layer:
            return _over_frames(firing.spikes, frames)
    if layer not in exact.scales:
        raise unknown("layer", layer, [*exact.layers, *exact.scales], of=exact.name)
    scale = exact.scales[layer]
    low, high = torch.from_numpy(scale.low).to(x), torch.from_numpy(scale.high).to(x)
    return (_over_frames(network.readout(firing), frames) - low) / (high - low).clamp_min(1e-6)


def _over_frames(response: torch.Tensor, frames: int) -> torch.Tensor:
    """Mean over frames, which are folded into the batch, and positions: `[n, channels]`."""
    means = response if response.ndim == 2 else response.flatten(2).mean(2)
    return means.view(frames, -1, means.shape[1]).mean(0)
