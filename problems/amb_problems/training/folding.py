"""The step before rounding an SN-GAN's generator to int8: without its batch norms, in the range of a byte.

A batch norm in evaluation mode is an affine map per channel: the layers before it take it over, and the shortcut after
it, which reads the same map, takes over its inverse. Factors of the channels come on top: see `scaling`. Neither
changes the function.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from amb_problems.generators.exact.derivation import Factors
from amb_problems.generators.sngan import SNGAN, UpBlock
from amb_problems.training.scaling import RECTIFIED_RANGE, ScaledLayer, quantile


@torch.no_grad()
def fold(generator: SNGAN, latents: Tensor) -> dict[str, ScaledLayer]:
    """The layers of the exact network that computes almost what `generator`, in evaluation mode, does.

    Args:
        generator: a float32 generator.
        latents: samples of the prior [n, latent], from which the ranges of activations are estimated.
    """
    x = generator.linear(latents).view(len(latents), -1, generator.shape.bottom, generator.shape.bottom)
    area = generator.shape.bottom**2
    blocks = [block for block in generator.blocks if isinstance(block, UpBlock)]
    norms = [*(block.norm1 for block in blocks), generator.norm]
    scale, shift = _affine(norms[0])
    factor = _factor(x, scale, shift)
    rows = (scale * factor).repeat_interleave(area)
    bias = generator.linear.bias * rows + (shift * factor).repeat_interleave(area)
    layers = {"linear": ScaledLayer(Factors(rows, torch.ones(generator.shape.latent)), bias)}
    for number, (block, norm) in enumerate(zip(blocks, norms[1:], strict=True)):
        name = f"blocks.{number}"
        first = fuse_conv_bn_eval(block.conv1, block.norm2)
        hidden = first(_twice(torch.relu(block.norm1(x))))
        inner = RECTIFIED_RANGE / quantile(hidden)
        layers[f"{name}.up"] = ScaledLayer(
            Factors(_affine(block.norm2)[0] * inner, 1 / factor), (_bias(first) * inner).repeat(4)
        )
        after = block(x)
        next_scale, next_shift = _affine(norm)
        next_factor = _factor(after, next_scale, next_shift)
        out = next_scale * next_factor
        layers[f"{name}.conv"] = ScaledLayer(Factors(out, 1 / inner), _bias(block.conv2) * out)
        offset = _bias(block.shortcut) - block.shortcut.weight[:, :, 0, 0] @ (shift / scale)
        layers[f"{name}.shortcut"] = ScaledLayer(
            Factors(out, 1 / (scale * factor)), offset * out + next_shift * next_factor
        )
        x, scale, shift, factor = after, next_scale, next_shift, next_factor
    layers["conv"] = ScaledLayer(Factors(torch.ones(generator.shape.channels), 1 / factor), _bias(generator.conv))
    return layers


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias


def _affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Scale and shift of every channel."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


def _factor(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """What each channel is multiplied with after its batch norm, so that its values fit the range."""
    return RECTIFIED_RANGE / quantile((x * scale[:, None, None] + shift[:, None, None]).abs())


def _twice(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2, mode="nearest")
