"""The network of a VQ-VAE (van den Oord et al. 2017, section 4.1): images to codes, and codes to images."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from amb_problems.cards import VQVAEShape


class ResidualBlock(nn.Module):
    """ReLU, 3x3 convolution, ReLU, 1x1 convolution, plus the identity."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, inner, 3, padding=1)
        self.conv2 = nn.Conv2d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[n, width, h, w] -> the same."""
        return x + self.conv2(F.relu_(self.conv1(F.relu(x))))


class VQVAE(nn.Module):
    """Encoder, codebook and decoder; pixels are in [-1, 1]."""

    codebook: Tensor
    """float32 [codes, dimensions]; not a parameter: it follows the encoder's outputs by moving averages."""
    principal: Tensor
    """The codes in the order of their projections on the codebook's first principal component: int64 [codes]."""

    def __init__(self, shape: VQVAEShape) -> None:
        super().__init__()
        self.shape = shape
        half, width = shape.width // 2, shape.width
        self.encoder = nn.Sequential(
            nn.Conv2d(shape.channels, half, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(half, width, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            *(ResidualBlock(width, shape.residual) for _ in range(shape.blocks)),
            nn.ReLU(),
            nn.Conv2d(width, shape.dimensions, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(shape.dimensions, width, 3, padding=1),
            *(ResidualBlock(width, shape.residual) for _ in range(shape.blocks)),
            nn.ReLU(),
            nn.ConvTranspose2d(width, half, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(half, shape.channels, 4, stride=2, padding=1),
        )
        self.register_buffer("codebook", torch.zeros(shape.codes, shape.dimensions))
        # Not `torch.arange`: on the device "meta", on which sizes are compared, it imports torch's compiler and sympy.
        self.register_buffer("principal", torch.tensor(range(shape.codes)))

    def encode(self, images: Tensor) -> Tensor:
        """Images [n, channels, size, size] -> numbers of their codes, int64 [n, side, side]."""
        return nearest_codes(self.encoder(images).permute(0, 2, 3, 1), self.codebook)

    def decode(self, codes: Tensor) -> Tensor:
        """Numbers of codes [n, side, side] -> images [n, channels, size, size], not clipped."""
        image: Tensor = self.decoder(F.embedding(codes, self.codebook).permute(0, 3, 1, 2))
        return image


def nearest_codes(vectors: Tensor, codebook: Tensor) -> Tensor:
    """Numbers of the codes nearest to vectors [..., dimensions] (equation 1): int64 [...]; of equals, the lowest."""
    flat = vectors.reshape(-1, vectors.shape[-1])
    # |v - c|² without |v|², which is the same for all codes.
    distances = torch.addmm(codebook.square().sum(1), flat, codebook.t(), alpha=-2)
    return distances.argmin(1).view(vectors.shape[:-1])


def principal_order(codebook: Tensor) -> Tensor:
    """The codes in increasing order along the codebook's first principal component, int64 [codes].

    The component's sign, which is arbitrary, is fixed so that its entry of largest magnitude is positive.
    """
    centred = codebook.double() - codebook.double().mean(0)
    component = torch.linalg.svd(centred, full_matrices=False).Vh[0]
    component = component * component[component.abs().argmax()].sign()
    return torch.argsort(centred @ component, stable=True)
