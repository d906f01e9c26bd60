"""SN-GAN's generator in exact arithmetic: int8 weights, activations of one byte, every scale a power of two.

The network is `amb_problems.generators.sngan.SNGAN` without batch norms. Each is an affine map per channel, and folds
into the layers around it: see `amb_problems.training.folding`. All values are multiples of powers of two whose sums fit
float32 exactly, so this module computes what integers would, on any processor, in any order. `rendering` computes the
same faster; gradients flow through this one.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from amb_problems.cards import SNGANShape
from amb_problems.generators.exact.derivation import Origin
from amb_problems.generators.exact.rounding import LATENTS, RECTIFIED, SIGNED, rounded
from amb_problems.generators.exact.up import UpConv2d, phases_of_doubled
from amb_problems.generators.exact.weights import ExactModule
from amb_problems.targets.spiking.exact import Grid


class ExactBlock(nn.Module):
    """Rectify, convolve to twice the side, rectify, convolve; plus a shortcut: a 1x1 convolution, pixels doubled."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.up = UpConv2d(inputs, outputs)
        self.conv = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[n, inputs, h, w] -> [n, outputs, 2h, 2w]."""
        y = self.conv(rounded(self.up(rounded(x, RECTIFIED)), RECTIFIED))
        return y + F.interpolate(self.shortcut(rounded(x, SIGNED)), scale_factor=2, mode="nearest")


class ExactSNGAN(ExactModule):
    """Latents [n, latent] -> images [n, channels, size, size] in [-1, 1]."""

    def __init__(self, shape: SNGANShape) -> None:
        super().__init__()
        self.shape = shape
        self.linear = nn.Linear(shape.latent, shape.widths[0] * shape.bottom**2)
        self.blocks = nn.Sequential(*map(ExactBlock, shape.widths[:-1], shape.widths[1:]))
        self.conv = nn.Conv2d(shape.widths[-1], shape.channels, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """Images of latents that are standard normal in training."""
        return torch.tanh(self.tones(latents))

    def tones(self, latents: Tensor) -> Tensor:
        """The images before tanh: every number is exact."""
        x = self.linear(rounded(latents, LATENTS)).view(len(latents), -1, self.shape.bottom, self.shape.bottom)
        x = self.blocks(x.contiguous(memory_format=torch.channels_last))
        tones: Tensor = self.conv(rounded(x, RECTIFIED))
        return tones

    def sums(self) -> list[tuple[str, ...]]:
        """The layers whose outputs are added to each other."""
        return [(f"blocks.{number}.conv", f"blocks.{number}.shortcut") for number in range(len(self.blocks))]

    def grids(self) -> dict[str, Grid]:
        """The input grid of every layer, by the layer's name."""
        layers = [n for n, m in self.named_modules() if isinstance(m, nn.Linear | nn.Conv2d | UpConv2d)]
        chosen = {name: SIGNED if name.endswith("shortcut") else RECTIFIED for name in layers} | {"linear": LATENTS}
        return {name: values.grid for name, values in chosen.items()}

    def origins(self) -> dict[str, Origin]:
        """Where every layer's weights come from, by the layer's name."""
        found = {"linear": Origin("linear.weight"), "conv": Origin("conv.weight")}
        for number in range(len(self.blocks)):
            block = f"blocks.{number}"
            found[f"{block}.up"] = Origin(f"{block}.conv1.weight", phases_of_doubled)
            found[f"{block}.conv"] = Origin(f"{block}.conv2.weight")
            found[f"{block}.shortcut"] = Origin(f"{block}.shortcut.weight")
        return found
