"""Layers for processors with AVX2 alone, whose registers add up products of bytes in pairs.

Without a dot product of bytes (VNNI), two products are added at 16 bits, which two bytes of at most 127 never exceed.
oneDNN then widens every such sum to 32 bits, and its other loops go through memory. Here two sums are added first
wherever the weights are small enough, and bytes of all eight bits are split into halves: oneDNN would saturate them.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amb_problems.engine import pair_loops
from amb_problems.engine.stages import Affine
from amb_problems.engine.vector_code import ONE, TWO
from amb_problems.engine.vector_sums import aligned

_GREY = 128
"""The byte that represents zero where bytes have a sign."""
_LARGEST, _LARGEST_HALF = 127, 128
_SHORTS = np.iinfo(np.int16)
_EXACT = 1 << 24


class PairLayer:
    """An affine map of bytes, prepared for `pair_loops`. See `fits`.

    Args:
        affine: the map.
        side: side of its square input maps.
        signed: the bytes represent `u8 - 128`, and the loops are given their halves; else they are at most 127.
        parts: the outputs are so many maps side by side, of which the loops compute one at a time.
    """

    def __init__(self, affine: Affine, side: int, *, signed: bool = False, parts: int = 1) -> None:
        weight = torch.cat([affine.weight] * 2, 1) if signed else affine.weight
        outputs, inputs, kernel, _ = weight.shape
        self.vectors = TWO if outputs // parts % (2 * pair_loops.OUTPUTS) == 0 else ONE
        block = len(self.vectors) * pair_loops.OUTPUTS
        self.outputs = -(-outputs // block) * block
        """Padded with outputs that are never read."""
        fours = np.zeros((self.outputs, kernel * kernel * inputs // 4, 4), np.int8)
        fours[:outputs] = weight.permute(0, 2, 3, 1).reshape(outputs, -1, 4).numpy()
        order = _pairs(fours, _LARGEST_HALF if signed else _LARGEST)
        self.quads = ONE if order is None else TWO
        wide = side + 2 * affine.padding
        place = np.arange(wide * wide * inputs, dtype=np.int32).reshape(wide, wide, inputs)[:kernel, :kernel, ::4]
        order = np.arange(place.size) if order is None else order
        self.place = place.reshape(-1)[order].copy()
        packed = fours[:, order].reshape(-1, len(self.vectors), pair_loops.OUTPUTS, place.size, 4)
        self.weight = aligned(packed.transpose(0, 3, 1, 2, 4).reshape(-1))
        spare = self.outputs - outputs
        self.scale = np.pad(affine.scale.numpy(), (0, spare))
        self.bias = np.pad(_bias(affine, signed=signed).numpy().astype(np.float32), (0, spare))

    @staticmethod
    def fits(affine: Affine, *, signed: bool = False) -> bool:
        """Whether the loops can compute the map: groups of four inputs, stride 1, and sums exact in float32."""
        bias, largest = _bias(affine, signed=signed), 255 if signed else _LARGEST
        reach = affine.weight.long().abs().flatten(1).sum(1) * largest
        exact = bool((bias.float().double() == bias).all()) and int(reach.max()) < _EXACT
        return affine.stride == 1 and affine.weight.shape[1] % 4 == 0 and exact

    @property
    def arguments(self) -> tuple[object, ...]:
        """The layer as the loops take it."""
        return self.place, self.weight, self.scale, self.bias, self.vectors, self.quads


def _bias(affine: Affine, *, signed: bool) -> Tensor:
    """The biases for bytes as they are, float64 `[outputs]`."""
    grey = affine.weight.long().flatten(1).sum(1) * _GREY if signed else torch.zeros(affine.outputs, dtype=torch.int64)
    return affine.bias.double() - grey * affine.scale.double()


def _pairs(fours: NDArray[np.int8], largest: int) -> NDArray[np.int64] | None:
    """An order of groups of four inputs in which 16 bits hold the products of the first two, the next two, and so on.

    Heavy groups are paired first, each with the nearest one with which it fits.

    Args:
        fours: int8 `[outputs, groups, 4]`.
        largest: byte.

    Returns:
        int64 `[groups]`; None: there is none, or it was not found.
    """
    lanes = fours.astype(np.int16).reshape(len(fours), -1, 2, 2).transpose(1, 0, 2, 3)
    above = (np.maximum(lanes, 0).sum(-1, dtype=np.int16) * np.int16(largest)).reshape(len(lanes), -1)
    below = (np.minimum(lanes, 0).sum(-1, dtype=np.int16) * np.int16(largest)).reshape(len(lanes), -1)
    if len(lanes) % 2:
        return None
    free = np.ones(len(lanes), bool)
    pairs = []
    for heavy in np.argsort(-np.maximum(above, -1 - below).max(1), kind="stable"):
        if not free[heavy]:
            continue
        free[heavy] = False
        room = (above <= _SHORTS.max - above[heavy]) & (below >= _SHORTS.min - below[heavy])
        fit = np.flatnonzero(free & room.all(1))
        if not fit.size:
            return None
        other = int(fit[np.abs(fit - heavy).argmin()])
        free[other] = False
        pairs.append(sorted((int(heavy), other)))
    return np.array(sorted(pairs)).reshape(-1)
