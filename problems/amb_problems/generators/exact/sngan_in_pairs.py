"""The exact SN-GAN on processors with AVX2 alone: see `engine.pair_products`."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amb_problems.cards import SNGANShape
from amb_problems.engine import pair_loops
from amb_problems.engine.allocator import keep_memory
from amb_problems.engine.pair_products import PairLayer
from amb_problems.generators.exact import pair_loops as loops
from amb_problems.generators.exact import screen
from amb_problems.generators.exact.rendering import affine_map
from amb_problems.generators.exact.rounding import LATENTS, RECTIFIED, SIGNED
from amb_problems.generators.exact.sngan_rendering import channels_last
from amb_problems.targets.spiking.exact import ExactLayer

_SCALE, _HIGH = np.float32(1 << RECTIFIED.bits), np.float32(RECTIFIED.high)
_SIGNED_SCALE, _LATENT_SCALE = np.float32(1 << SIGNED.bits), np.float32(1 << LATENTS.bits)
_TONE_SCALE = np.float32(1 << screen.BITS)


class SNGANInPairs:
    """Pixels uint8 [n, size, size, channels] of latents float32 [n, latent]; the same bits as `SNGANRendering`.

    Args:
        shape: sizes of the generator; see `fits`.
        layers: the rounded layers by name.
        table: the pixel of every tone; see `screen`.
    """

    def __init__(self, shape: SNGANShape, layers: Mapping[str, ExactLayer], table: Tensor) -> None:
        keep_memory()
        self._shape, self._table = shape, table.numpy()
        self._linear = PairLayer(affine_map(channels_last(layers["linear"], shape)), 1, signed=True).arguments
        sides = [shape.bottom << number for number in range(len(shape.widths))]
        self._blocks = [
            (
                PairLayer(affine_map(layers[f"blocks.{number}.up"], padding=1), side, parts=4).arguments,
                PairLayer(affine_map(layers[f"blocks.{number}.conv"], padding=1), 2 * side).arguments,
                PairLayer(affine_map(layers[f"blocks.{number}.shortcut"]), side, signed=True).arguments,
            )
            for number, side in enumerate(sides[:-1])
        ]
        self._conv = PairLayer(affine_map(layers["conv"], padding=1), sides[-1]).arguments

    @staticmethod
    def fits(shape: SNGANShape, layers: Mapping[str, ExactLayer]) -> bool:
        """Whether the loops can compute these layers: widths in multiples of 8, and sums exact in float32."""
        signed = {name: name == "linear" or name.endswith("shortcut") for name in layers}
        return all(width % pair_loops.OUTPUTS == 0 for width in shape.widths) and all(
            PairLayer.fits(affine_map(layer), signed=signed[name]) for name, layer in layers.items()
        )

    def __call__(self, latents: Tensor) -> Tensor:
        """Pixels on the CPU."""
        values, shape = latents.numpy(), self._shape
        n, side, widths = len(values), shape.bottom, shape.widths
        codes = np.empty((1, 1, n, 2 * shape.latent), np.uint8)
        loops.halve(values, _LATENT_SCALE, codes[0, 0])
        x = np.empty((1, 1, n, side * side * widths[0]), np.float32)
        pair_loops.convolve(codes, self._linear, x)
        rectified, halves = _framed(n, side, widths[0]), np.empty((n, side, side, 2 * widths[0]), np.uint8)
        loops.spread(x.reshape(n, side, side, widths[0]), _SCALE, _HIGH, _SIGNED_SCALE, rectified, halves)
        for number, (up, conv, shortcut) in enumerate(self._blocks):
            width = widths[number + 1]
            small = np.empty((n, side, side, width), np.float32)
            # A 1x1 convolution is one matrix for all positions of all rows.
            pair_loops.convolve(halves.reshape(1, 1, -1, halves.shape[3]), shortcut, small.reshape(1, 1, -1, width))
            side *= 2
            doubled = _framed(n, side, width)
            loops.up(rectified, up, _SCALE, _HIGH, doubled)
            last = number + 1 == len(self._blocks)
            rectified, halves = _framed(n, side, width), np.empty((0 if last else n, side, side, 2 * width), np.uint8)
            loops.add(doubled, conv, small, _SCALE, _HIGH, _SIGNED_SCALE, rectified, halves)
        out = torch.empty((n, side, side, shape.channels), dtype=torch.uint8)
        loops.show(rectified, self._conv, _TONE_SCALE, self._table, out.numpy())
        return out


def _framed(n: int, side: int, channels: int) -> NDArray[np.uint8]:
    """Room for maps within a margin of one pixel."""
    return np.empty((n, side + 2, side + 2, channels), np.uint8)
