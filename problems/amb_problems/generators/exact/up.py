"""Convolution to twice the side as four interleaved 2x2 convolutions, one for each parity of row and column."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class UpConv2d(nn.Module):
    """A transposed convolution of stride 2 with a 4x4 kernel, stored by phase.

    Attributes:
        weight: `[4 * outputs, inputs, 2, 2]`; phase 2a + b makes the pixels of rows 2i + a and columns 2j + b.
        bias: `[4 * outputs]`, by phase too.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4 * outputs, inputs, 2, 2))
        self.bias = nn.Parameter(torch.zeros(4 * outputs))

    def forward(self, x: Tensor) -> Tensor:
        """[n, inputs, h, w] -> [n, outputs, 2h, 2w]."""
        return interleaved(F.conv2d(x, self.weight, self.bias, padding=1).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def interleaved(phases: Tensor) -> Tensor:
    """The four phases [n, h + 1, w + 1, 4 * outputs] of a padded 2x2 convolution as one map [n, 2h, 2w, outputs]."""
    n, height, width, channels = phases.shape[0], phases.shape[1] - 1, phases.shape[2] - 1, phases.shape[3] // 4
    parts = phases.unflatten(3, (4, channels))
    rows = [
        torch.stack([parts[:, a : a + height, b : b + width, 2 * a + b] for b in (0, 1)], dim=3) for a in (0, 1)
    ]  # [n, h, w, 2, channels] for each parity of the row
    return torch.stack(rows, dim=2).view(n, 2 * height, 2 * width, channels)


def phases_of_doubled(weight: Tensor) -> Tensor:
    """The weight of the `UpConv2d` that equals doubling all pixels, then a 3x3 convolution [outputs, inputs, 3, 3]."""
    return torch.cat([phase for row in _halves(weight, 2) for phase in _halves(row, 3)])


def phases_of_transposed(weight: Tensor) -> Tensor:
    """The weight of the `UpConv2d` that equals a transposed convolution of stride 2 with one pixel of padding.

    Its kernel is [inputs, outputs, 4, 4].
    """
    kernel = weight.transpose(0, 1)
    taps = ((3, 1), (2, 0))
    return torch.cat([kernel[:, :, list(rows)][..., list(columns)] for rows in taps for columns in taps])


def _halves(weight: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """The two taps that even and odd pixels of a doubled axis have, of three."""
    first, middle, last = weight.unbind(axis)
    return torch.stack([first, middle + last], axis), torch.stack([first + middle, last], axis)
