"""Convolutions with int8 weights in one of three arithmetics; all give the same bits.

All sums are exact (see `stages`), so neither their order nor the number format matters.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from amb_problems.engine.matrix_products import sums_of_products
from amb_problems.engine.stages import Affine

Arithmetic = Literal["integers", "products", "floats"]
"""How sums are formed: by oneDNN's integer convolution, as products of int8 matrices, or by float32 convolutions."""

_GREY = 128  # the byte that represents zero in an image


class Convolution:
    """An affine map prepared for channels-last bytes: spikes or pixels.

    Where the kernel covers (almost) the whole map, the convolution becomes one matrix over all positions, without the
    taps that only see padding. A matrix, like a 1x1 convolution, is applied to all positions of all rows at once.

    Args:
        affine: the map.
        side: side of its square input maps.
        arithmetic: "integers" on a CPU where `has_integers`; "products" where `matrix_products.has_products`;
            "floats" anywhere.
        pixels: the bytes represent `u8 - 128`.
        device: device of its inputs.
    """

    def __init__(
        self,
        affine: Affine,
        side: int,
        *,
        arithmetic: Arithmetic,
        pixels: bool = False,
        device: torch.device | None = None,
    ) -> None:
        self._output = (affine.output_side(side), affine.outputs)
        self._step = 1
        # Strided convolutions waste arithmetic on small maps too: 4x4 to 2x2 takes half the time as a matrix.
        small = side <= affine.kernel + (affine.stride > 1)
        if small and affine.kernel > 1 and not pixels:
            affine = as_matrix(affine, side)
            self._matrix = True
        else:
            self._matrix = affine.kernel == 1 and affine.padding == 0
            if self._matrix:
                self._step = affine.stride
                affine = replace(affine, stride=1)
        self._affine = affine
        self._apply = {"integers": self._in_integers, "products": self._in_products, "floats": self._in_floats}[
            arithmetic
        ]
        self._grey = _GREY if pixels else 0
        self._packed: dict[tuple[int, ...], Tensor] = {}
        self._weight = _real(affine).to(device) if arithmetic == "floats" else affine.weight.to(device)
        self._scale = affine.scale.to(device)
        self._bias = affine.bias.to(device)
        self._zero = torch.zeros(affine.outputs, dtype=torch.int64)

    def __call__(self, maps: Tensor) -> Tensor:
        """Currents float32 `[rows, side, side, outputs]` of uint8 maps `[rows, side, side, inputs]`."""
        x = maps
        if self._step > 1:
            x = x[:, :: self._step, :: self._step]
        if self._matrix:
            x = x.reshape(1, -1, 1, self._affine.weight.shape[1])
        x = x.permute(0, 3, 1, 2)
        currents = self._apply(x)
        side, outputs = self._output
        return currents.permute(0, 2, 3, 1).reshape(len(maps), side, side, outputs).contiguous()

    def operations(self, rows: int) -> int:
        """Multiplications and additions for `rows` maps, including taps that see padding."""
        side = 1 if self._matrix and self._affine.weight.shape[0] > self._output[1] else self._output[0]
        return 2 * rows * side * side * self._affine.weight.numel()

    def _in_floats(self, x: Tensor) -> Tensor:
        a = self._affine
        real = x.float().sub_(self._grey) if self._grey else x.float()
        # cuDNN may choose Winograd's or a Fourier algorithm, whose intermediate values are rounded.
        with torch.backends.cudnn.flags(enabled=False):
            return torch.nn.functional.conv2d(real, self._weight, self._bias, a.stride, a.padding)

    def _in_products(self, x: Tensor) -> Tensor:
        a = self._affine
        signed = (x.short() - self._grey).to(torch.int8) if self._grey else x.to(torch.int8)
        sums = sums_of_products(signed.permute(0, 2, 3, 1), self._weight, stride=a.stride, padding=a.padding)
        return (sums.float() * self._scale + self._bias).permute(0, 3, 1, 2)

    def _in_integers(self, x: Tensor) -> Tensor:
        a = self._affine
        stride, padding, dilation = [a.stride] * 2, [a.padding] * 2, [1, 1]
        # oneDNN packs weights for one input shape.
        packed = self._packed.get(tuple(x.shape[1:]))
        if packed is None:
            packed = torch.ops.onednn.qconv_prepack(
                a.weight, a.scale, 1.0, self._grey, stride, padding, dilation, 1, list(x.shape)
            )
            self._packed[tuple(x.shape[1:])] = packed
        return torch.ops.onednn.qconv2d_pointwise(
            x, 1.0, self._grey, packed, a.scale, self._zero, a.bias,
            stride, padding, dilation, 1, 1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip


def as_matrix(affine: Affine, side: int) -> Affine:
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


@lru_cache(maxsize=4)
def has_integers(*, pixels: bool = False, largest: int = 1) -> bool:
    """Whether this build of torch, on this processor, convolves bytes with int8 weights exactly.

    Spikes are 0 or 1, pixels any byte, other inputs at most `largest`. Tested once on small convolutions with the
    largest weights and bytes, since neither version numbers nor processor flags are reliable: without the VNNI
    instructions, oneDNN saturates sums of two products at 16 bits, which two spikes never reach and two pixels do.
    """
    weight = torch.arange(-108, 108, dtype=torch.int8).view(3, 8, 3, 3)
    affine = Affine(weight, torch.tensor([0.5, 0.25, 1.0]).float(), torch.tensor([0.75, -3.0, 0.5]).float(), padding=1)
    extremes = [replace(affine, weight=torch.full_like(weight, end)) for end in (127, -128)]
    mixed = (torch.arange(2 * 4 * 4 * 8) % 3 != 0).to(torch.uint8).view(2, 4, 4, 8)
    brightest = 255 if pixels else largest
    try:
        return all(
            torch.equal(
                Convolution(a, 4, arithmetic="integers", pixels=pixels)(maps * brightest),
                Convolution(a, 4, arithmetic="floats", pixels=pixels)(maps * brightest),
            )
            for a in (affine, *extremes)
            for maps in (mixed, torch.ones_like(mixed))
        )
    except (RuntimeError, AttributeError):
        return False


def _real(affine: Affine) -> Tensor:
    weight = affine.weight.float() * affine.scale.view(-1, 1, 1, 1)
    return weight.contiguous(memory_format=torch.channels_last)
