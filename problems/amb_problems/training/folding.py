"""The step before rounding a generator to int8: a float32 generator without its batch norms, in the range of a byte.

Two identities do it, and neither changes the function. A batch norm in evaluation mode is an affine map per channel:
the layers before it take it over, and the shortcut after it, which reads the same map, takes over its inverse. And a
rectifier commutes with a positive factor: each channel is scaled so that its largest values just fit the byte's range.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from amb_problems.generators.exact.rounding import RECTIFIED
from amb_problems.generators.exact.sngan import ExactBlock, ExactSNGAN
from amb_problems.generators.exact.up import phases_of_doubled
from amb_problems.generators.sngan import SNGAN, UpBlock

_SHARE = 0.9999
"""The share of a channel's values that is not clipped at first."""
_RANGE = RECTIFIED.high * RECTIFIED.step


@torch.no_grad()
def fold(generator: SNGAN, latents: Tensor) -> ExactSNGAN:
    """The exact network that computes almost what `generator`, in evaluation mode, does; its weights are not rounded.

    Args:
        generator: a float32 generator.
        latents: samples of the prior [n, latent], from which the ranges of activations are estimated.
    """
    network = ExactSNGAN(generator.shape).to(latents.device)
    x = generator.linear(latents).view(len(latents), -1, generator.shape.bottom, generator.shape.bottom)
    # Producers of the map that the next batch norm reads; each is a layer and how often its bias is repeated.
    weight, bias = generator.linear.weight, generator.linear.bias
    area = generator.shape.bottom**2
    blocks = [block for block in generator.blocks if isinstance(block, UpBlock)]
    norms = [*(block.norm1 for block in blocks), generator.norm]
    scale, shift = _affine(norms[0])
    factor = _factor(x, scale, shift)
    network.linear.weight.copy_(weight * (scale * factor).repeat_interleave(area)[:, None])
    network.linear.bias.copy_(
        bias * (scale * factor).repeat_interleave(area) + (shift * factor).repeat_interleave(area)
    )
    for block, new, norm in zip(blocks, network.blocks, norms[1:], strict=True):
        assert isinstance(new, ExactBlock)
        first = fuse_conv_bn_eval(block.conv1, block.norm2)
        hidden = first(_twice(torch.relu(block.norm1(x))))
        inner = _RANGE / _quantile(hidden)
        up = first.weight / factor[None, :, None, None] * inner[:, None, None, None]
        for parameter, value in zip(
            (new.up.weight, new.up.bias), phases_of_doubled(up, _bias(first) * inner), strict=True
        ):
            parameter.copy_(value)
        after = block(x)
        next_scale, next_shift = _affine(norm)
        next_factor = _factor(after, next_scale, next_shift)
        out = (next_scale * next_factor)[:, None, None, None]
        new.conv.weight.copy_(block.conv2.weight / inner[None, :, None, None] * out)
        _bias(new.conv).copy_(_bias(block.conv2) * out.flatten())
        direct = block.shortcut.weight / (scale * factor)[None, :, None, None]
        offset = _bias(block.shortcut) - (block.shortcut.weight[:, :, 0, 0] @ (shift / scale))
        new.shortcut.weight.copy_(direct * out)
        _bias(new.shortcut).copy_(offset * out.flatten() + next_shift * next_factor)
        x, scale, shift, factor = after, next_scale, next_shift, next_factor
    network.conv.weight.copy_(generator.conv.weight / factor[None, :, None, None])
    _bias(network.conv).copy_(_bias(generator.conv))
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


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
    return _RANGE / _quantile((x * scale[:, None, None] + shift[:, None, None]).abs())


def _quantile(maps: Tensor) -> Tensor:
    """A high quantile of every channel of maps [n, c, h, w], at least a little above zero."""
    rows = maps.transpose(0, 1).flatten(1)
    return rows.kthvalue(max(1, round(_SHARE * rows.shape[1])), dim=1).values.clamp_min(1e-3)


def _twice(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2, mode="nearest")
