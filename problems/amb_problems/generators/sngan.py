"""The generator network of SN-GAN (Miyato et al. 2018, section 4.1 and table 4), with channels that taper."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from amb_problems.cards import SNGANShape


class UpBlock(nn.Module):
    """BN, ReLU, upsample, conv, BN, ReLU, conv, plus a shortcut: a 1x1 convolution, upsampled."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[n, inputs, h, w] -> [n, outputs, 2h, 2w]."""
        y = self.conv1(_twice(F.relu_(self.norm1(x))))
        y = self.conv2(F.relu_(self.norm2(y)))
        # A 1x1 convolution commutes with repeating pixels; done first, it costs a quarter.
        return y + _twice(self.shortcut(x))


class SNGAN(nn.Module):
    """Latents [n, latent] -> images [n, channels, size, size] in [-1, 1]."""

    def __init__(self, shape: SNGANShape) -> None:
        super().__init__()
        self.shape = shape
        self.linear = nn.Linear(shape.latent, shape.widths[0] * shape.bottom**2)
        self.blocks = nn.Sequential(*map(UpBlock, shape.widths[:-1], shape.widths[1:]))
        self.norm = nn.BatchNorm2d(shape.widths[-1])
        self.conv = nn.Conv2d(shape.widths[-1], shape.channels, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """Images of latents that are standard normal in training."""
        x = self.linear(latents).view(len(latents), -1, self.shape.bottom, self.shape.bottom)
        x = self.blocks(x.contiguous(memory_format=torch.channels_last))
        return torch.tanh(self.conv(F.relu_(self.norm(x))))


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")
