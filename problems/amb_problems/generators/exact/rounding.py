"""The grids on which a generator's activations lie, and rounding to them with a straight-through gradient."""

from dataclasses import dataclass

import torch
from torch import Tensor

from amb_problems.targets.spiking.exact import Grid


@dataclass(frozen=True)
class Bytes:
    """The values that a layer's input takes: multiples of `2^-bits` from `low` to `high` of them, one byte each."""

    bits: int
    low: int
    high: int

    @property
    def step(self) -> float:
        """The distance of two neighbouring values."""
        return 2.0**-self.bits

    @property
    def grid(self) -> Grid:
        """The same values as the exact layers of targets state them."""
        return Grid(self.bits, max(-self.low, self.high))


RECTIFIED = Bytes(bits=4, low=0, high=127)
"""After a rectifier. Seven bits: without VNNI, processors saturate sums of two products of bytes at 16 bits."""
SIGNED = Bytes(bits=4, low=-128, high=127)
"""What a shortcut receives."""
LATENTS = Bytes(bits=5, low=-128, high=127)
"""A normal latent: 256 values in [-4, 4), so that 64 levels stay distinct."""


def rounded(x: Tensor, values: Bytes) -> Tensor:
    """`x` rounded to the nearest of the values, of two equally near ones to the even multiple.

    The gradient ignores the rounding; it is zero where `x` is clipped.
    """
    scale = torch.tensor(values.step, dtype=torch.float32, device=x.device)
    zero = torch.zeros((), dtype=torch.int32, device=x.device)
    return torch.fake_quantize_per_tensor_affine(x, scale, zero, values.low, values.high)
