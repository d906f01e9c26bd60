"""The step before rounding a VQ-VAE's decoder to int8: a factor for every channel; see `scaling`."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from amb_problems.generators.exact.derivation import Factors
from amb_problems.generators.vqvae import VQVAE, ResidualBlock
from amb_problems.training.scaling import RECTIFIED_RANGE, SIGNED_RANGE, ScaledLayer, quantile


@torch.no_grad()
def scale(network: VQVAE, codes: Tensor) -> dict[str, ScaledLayer]:
    """The layers of the exact decoder.

    Args:
        network: a float32 VQ-VAE.
        codes: numbers of codes [n, side, side], from which the ranges of activations are estimated.
    """
    (first,) = (layer for layer in network.decoder if isinstance(layer, nn.Conv2d))
    blocks = [layer for layer in network.decoder if isinstance(layer, ResidualBlock)]
    up1, up2 = (layer for layer in network.decoder if isinstance(layer, nn.ConvTranspose2d))
    maps = [first(F.embedding(codes, network.codebook).permute(0, 3, 1, 2))]
    hidden = []
    for block in blocks:
        hidden.append(block.conv1(F.relu(maps[-1])))
        maps.append(block(maps[-1]))
    # All of these maps have the same factors, since they are added to each other.
    factor = RECTIFIED_RANGE / torch.stack([quantile(x) for x in maps]).amax(0)
    code = SIGNED_RANGE / network.codebook.abs().amax(0).clamp_min(1e-3)
    inner = [RECTIFIED_RANGE / quantile(x) for x in hidden]
    last = RECTIFIED_RANGE / quantile(up1(F.relu(maps[-1])))
    layers = {
        "codes": ScaledLayer(Factors(code, torch.ones(len(network.codebook))), torch.zeros(len(code))),
        "first": _layer(first, factor, 1 / code),
        "up1": _layer(up1, last, 1 / factor, phases=4),
        "up2": _layer(up2, torch.ones(network.shape.channels), 1 / last, phases=4),
    }
    for number, block in enumerate(blocks):
        layers[f"blocks.{number}.conv1"] = _layer(block.conv1, inner[number], 1 / factor)
        layers[f"blocks.{number}.conv2"] = _layer(block.conv2, factor, 1 / inner[number])
    return layers


def _layer(layer: nn.Conv2d | nn.ConvTranspose2d, rows: Tensor, columns: Tensor, *, phases: int = 1) -> ScaledLayer:
    assert layer.bias is not None
    return ScaledLayer(Factors(rows, columns), (layer.bias * rows).repeat(phases))
