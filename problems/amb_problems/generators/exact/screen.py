"""From the last layer's exact sums, the tones, to pixels: by a table that the checkpoint stores.

The last bit of tanh differs between libraries, and a pixel with it; a table has no last bit.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BITS = 10
"""The table's steps are 2^-10: at most an eighth of a grey level."""
HALF = 1 << 12
"""Entries on either side of zero: tones up to 4, where tanh is white after rounding."""


def table(brightness: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Tensor:
    """The pixel of every tone, uint8 [2 * HALF]; `brightness` is -1 for black and 1 for white."""
    tones = np.arange(-HALF, HALF) / (1 << BITS)
    return torch.from_numpy(np.clip(np.rint((brightness(tones) + 1) * 127.5), 0, 255).astype(np.uint8))


def shown(tones: Tensor, table: Tensor) -> Tensor:
    """Pixels uint8 of exact tones float32, of the same shape: the entry of the nearest multiple of the step."""
    entries = (tones * (1 << BITS)).round_().clamp_(-HALF, HALF - 1).to(torch.int32).add_(HALF)
    return table[entries]


def passed_through(smooth: Tensor, tones: Tensor, table: Tensor) -> Tensor:
    """The pixels of `shown` as float32, with the gradient of `smooth`, the brightness in 0..255 before rounding."""
    return smooth + (shown(tones.detach(), table) - smooth).detach()
