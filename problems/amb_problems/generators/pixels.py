"""Conversion of images in [-1, 1] to 256 levels, as a screen shows them: (x + 1) * 127.5, rounded and clipped."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from amb.contracts.problem import UInt8Array

if TYPE_CHECKING:
    from torch import Tensor


def to_uint8(images: NDArray[np.float32]) -> UInt8Array:
    """Images of any shape as uint8."""
    return np.clip(np.rint((images + np.float32(1)) * np.float32(127.5)), 0, 255).astype(np.uint8)


def to_uint8_on_device(images: "Tensor") -> "Tensor":
    """Images float32 [n, c, h, w] as uint8 [n, h, w, c], on their device."""
    import torch

    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
