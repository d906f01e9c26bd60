"""Convolutions as products of int8 matrices with 32-bit sums: what an accelerator's integer units compute.

A matrix product has one exact answer in integers, whatever algorithm the library picks and in whatever order it sums;
a float32 convolution on an accelerator may be computed with rounded intermediate values, or with 10-bit factors.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import pad

# What the integer units require: factors in multiples of 8, and more than 16 rows.
_MULTIPLE = 8
_LEAST_ROWS = 17


def sums_of_products(maps: Tensor, weight: Tensor, *, stride: int, padding: int) -> Tensor:
    """Every sum of a convolution, int32 `[n, height, width, outputs]`.

    Args:
        maps: int8 `[n, side, side, inputs]`, padded with zeros.
        weight: int8 `[outputs, inputs, kernel, kernel]`.
        stride, padding: as in `torch.nn.functional.conv2d`.
    """
    outputs, inputs, kernel, _ = weight.shape
    # The matrix of patches: one row per position; channels last, so that copies are contiguous.
    patches = pad(maps, (0, 0, padding, padding, padding, padding)) if padding else maps
    patches = patches.unfold(1, kernel, stride).unfold(2, kernel, stride).permute(0, 1, 2, 4, 5, 3)
    n, height, width = patches.shape[:3]
    left = patches.reshape(n * height * width, kernel * kernel * inputs)
    right = weight.permute(0, 2, 3, 1).reshape(outputs, -1)
    rows, depth = left.shape
    left = pad(left, (0, -depth % _MULTIPLE, 0, max(_LEAST_ROWS - rows, 0)))
    right = pad(right, (0, -depth % _MULTIPLE, 0, -outputs % _MULTIPLE))
    sums = torch._int_mm(left, right.T)
    return sums[:rows, :outputs].reshape(n, height, width, outputs)


@lru_cache(maxsize=2)
def has_products(device: torch.device) -> bool:
    """Whether this build of torch multiplies int8 matrices on the device correctly; tested once on extreme values."""
    maps = torch.full((2, 3, 3, 40), -128, dtype=torch.int8, device=device)
    maps[1] = 127
    weight = torch.full((8, 40, 3, 3), -128, dtype=torch.int8, device=device)
    weight[::2] = 127
    try:
        sums = sums_of_products(maps, weight, stride=1, padding=0).flatten(1).cpu()
    except (RuntimeError, AttributeError):
        return False
    expected = 360 * torch.tensor([[-128], [127]]) * torch.tensor([127, -128] * 4)
    return torch.equal(sums.long(), expected)
