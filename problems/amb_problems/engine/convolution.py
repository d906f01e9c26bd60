"""Convolutions of spikes with int8 weights: in integers where the processor has fast ones, else in float32.

Both give the same bits, since all sums are exact (see `network`).
"""

from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from amb_problems.engine.network import Affine

_DENSE_SIDE = 2  # on maps up to this side most taps of a 3x3 kernel see only padding


class Convolution:
    """An affine map ready to be applied to channels-last spikes.

    On maps of 2x2 and 1x1 positions the kernel is written out as one matrix over all positions, without the
    taps that would only see padding.

    Args:
        affine: the map.
        side: side of its square input maps.
        integers: use integer arithmetic; see `has_integers`.
        with_bias: without, the bias is left to the caller.
        device: where it is applied.
    """

    def __init__(self, affine: Affine, side: int, *, integers: bool, with_bias: bool = True,
                 device: torch.device | None = None) -> None:
        if not with_bias:
            affine = replace(affine, bias=torch.zeros_like(affine.bias))
        self._output = (affine.output_side(side), affine.outputs)
        self._dense = side <= _DENSE_SIDE and affine.kernel > 1
        if self._dense:
            affine = written_out(affine, side)
        self._affine = affine
        self._integers = integers
        self._packed: dict[tuple[int, ...], Tensor] = {}
        self._weight = _real(affine).to(device)
        self._bias = affine.bias.to(device)
        if integers:
            self._zero = torch.zeros(affine.outputs, dtype=torch.int64)

    def __call__(self, spikes: Tensor) -> Tensor:
        """Currents float32 `[rows, side, side, outputs]` of spikes uint8 `[rows, side, side, inputs]`."""
        rows = spikes.shape[0]
        x = spikes.reshape(rows, 1, 1, -1) if self._dense else spikes
        x = x.permute(0, 3, 1, 2)
        currents = self._in_integers(x) if self._integers else self._in_floats(x)
        side, outputs = self._output
        return currents.permute(0, 2, 3, 1).reshape(rows, side, side, outputs).contiguous()

    def _in_floats(self, x: Tensor) -> Tensor:
        a = self._affine
        return torch.nn.functional.conv2d(x.float(), self._weight, self._bias, a.stride, a.padding)

    def _in_integers(self, x: Tensor) -> Tensor:
        a = self._affine
        stride, padding, dilation = [a.stride] * 2, [a.padding] * 2, [1, 1]
        # oneDNN lays weights out for the shape of their input.
        packed = self._packed.get(tuple(x.shape[1:]))
        if packed is None:
            packed = torch.ops.onednn.qconv_prepack(
                a.weight, a.scale, 1.0, 0, stride, padding, dilation, 1, list(x.shape)
            )
            self._packed[tuple(x.shape[1:])] = packed
        return torch.ops.onednn.qconv2d_pointwise(
            x, 1.0, 0, packed, a.scale, self._zero, a.bias,
            stride, padding, dilation, 1, 1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip


def convolve_pixels(affine: Affine, images: Tensor) -> Tensor:
    """Currents float32 `[n, h, w, outputs]` of images uint8 `[n, h, w, 3]`, seen as u8 - 128."""
    pixels = images.permute(0, 3, 1, 2).float().sub_(128.0)
    weight, bias = _real(affine).to(images.device), affine.bias.to(images.device)
    currents = torch.nn.functional.conv2d(pixels, weight, bias, affine.stride, affine.padding)
    return currents.permute(0, 2, 3, 1).contiguous()


def written_out(affine: Affine, side: int) -> Affine:
    """The same map as a 1x1 convolution between flattened maps `[side * side * channels]`."""
    outputs, inputs = affine.weight.shape[:2]
    target = affine.output_side(side)
    matrix = torch.zeros((target, target, outputs, side, side, inputs), dtype=torch.int8)
    for oy in range(target):
        for ox in range(target):
            for iy in range(side):
                for ix in range(side):
                    ky = iy - oy * affine.stride + affine.padding
                    kx = ix - ox * affine.stride + affine.padding
                    if 0 <= ky < affine.kernel and 0 <= kx < affine.kernel:
                        matrix[oy, ox, :, iy, ix] = affine.weight[:, :, ky, kx]
    repeat = target * target
    flat = matrix.view(repeat * outputs, side * side * inputs, 1, 1)
    return Affine(flat, affine.scale.repeat(repeat), affine.bias.repeat(repeat))


@lru_cache(maxsize=1)
def has_integers() -> bool:
    """Whether this build of torch, on this processor, convolves bytes with int8 weights, and exactly.

    Tried once on a small convolution, since neither version numbers nor processor flags tell.
    """
    affine = Affine(
        torch.arange(-108, 108, dtype=torch.int8).view(3, 8, 3, 3),
        torch.tensor([0.5, 0.25, 1.0]),
        torch.tensor([0.75, -3.0, 0.5]),
        padding=1,
    )
    spikes = (torch.arange(2 * 4 * 4 * 8) % 3 == 0).to(torch.uint8).view(2, 4, 4, 8)
    try:
        found = Convolution(affine, 4, integers=True)(spikes)
    except (RuntimeError, AttributeError):
        return False
    return torch.equal(found, Convolution(affine, 4, integers=False)(spikes))


def _real(affine: Affine) -> Tensor:
    weight = affine.weight.float() * affine.scale.view(-1, 1, 1, 1)
    return weight.contiguous(memory_format=torch.channels_last)
