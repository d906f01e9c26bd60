"""A VQ-VAE's decoder in exact arithmetic; see `sngan` for what that means.

The network is the decoder of `amb_problems.generators.vqvae.VQVAE`, with a factor for each channel. A codebook is a
linear layer without a bias whose inputs are one-hot: its weights are bytes like those of the other layers.
"""

from torch import Tensor, nn

from amb_problems.cards import VQVAEShape
from amb_problems.generators.exact.derivation import Origin
from amb_problems.generators.exact.rounding import RECTIFIED, SIGNED, rounded
from amb_problems.generators.exact.up import UpConv2d, phases_of_transposed
from amb_problems.generators.exact.weights import ExactModule
from amb_problems.targets.spiking.exact import SPIKES, Grid


class ExactResidual(nn.Module):
    """Rectify, 3x3 convolution, rectify, 1x1 convolution, plus the identity."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, inner, 3, padding=1)
        self.conv2 = nn.Conv2d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[n, width, h, w] -> the same."""
        y: Tensor = self.conv2(rounded(self.conv1(rounded(x, RECTIFIED)), RECTIFIED))
        return x + y


class ExactDecoder(ExactModule):
    """Weights of codes [n, codes, side, side] -> images [n, channels, size, size], not clipped."""

    def __init__(self, shape: VQVAEShape) -> None:
        super().__init__()
        half, width = shape.width // 2, shape.width
        self.codes = nn.Linear(shape.codes, shape.dimensions)
        self.first = nn.Conv2d(shape.dimensions, width, 3, padding=1)
        self.blocks = nn.Sequential(*(ExactResidual(width, shape.residual) for _ in range(shape.blocks)))
        self.up1 = UpConv2d(width, half)
        self.up2 = UpConv2d(half, shape.channels)

    def forward(self, weights: Tensor) -> Tensor:
        """Images of weights of codes [n, side, side, codes]: where these are one-hot, every number is exact."""
        return self.tones(rounded(self.codes(weights), SIGNED))

    def vectors(self) -> Tensor:
        """The rounded codebook, float32 [codes, dimensions]."""
        return rounded(self.codes.weight.t() + self.codes.bias, SIGNED)

    def tones(self, vectors: Tensor) -> Tensor:
        """Images of codes' rounded vectors [n, side, side, dimensions]."""
        x = self.first(vectors.permute(0, 3, 1, 2))
        x = self.up1(rounded(self.blocks(x), RECTIFIED))
        tones: Tensor = self.up2(rounded(x, RECTIFIED))
        return tones

    def sums(self) -> list[tuple[str, ...]]:
        """The layers whose outputs are added to each other."""
        return [("first", *(f"blocks.{number}.conv2" for number in range(len(self.blocks))))]

    def grids(self) -> dict[str, Grid]:
        """The input grid of every layer, by the layer's name."""
        layers = [n for n, m in self.named_modules() if isinstance(m, nn.Conv2d | UpConv2d)]
        return {"codes": SPIKES} | {n: (SIGNED if n == "first" else RECTIFIED).grid for n in layers}

    def origins(self) -> dict[str, Origin]:
        """Where every layer's weights come from, by the layer's name."""
        blocks = len(self.blocks)
        found = {"codes": Origin("codebook", lambda codebook: codebook.t()), "first": Origin("decoder.0.weight")}
        for number in range(blocks):
            for conv in ("conv1", "conv2"):
                found[f"blocks.{number}.{conv}"] = Origin(f"decoder.{1 + number}.{conv}.weight")
        # Between the layers of `VQVAE.decoder` with weights are rectifiers.
        found["up1"] = Origin(f"decoder.{2 + blocks}.weight", phases_of_transposed)
        found["up2"] = Origin(f"decoder.{4 + blocks}.weight", phases_of_transposed)
        return found
