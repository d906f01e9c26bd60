"""The discriminator of SN-GAN (Miyato et al. 2018): a small ResNet, spectrally normalized."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SpectralConv2d(nn.Conv2d):
    """A convolution whose weight, as a matrix [out, rest], is divided by its largest singular value."""

    left: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        nn.init.xavier_uniform_(self.weight, gain=2**0.5 if kernel > 1 else 1.0)
        nn.init.zeros_(self.bias)  # type: ignore[arg-type]
        self.register_buffer("left", F.normalize(torch.ones(outputs), dim=0))

    def normalized(self) -> Tensor:
        """The weight divided by its spectral norm; in training mode, after one step of power iteration."""
        with torch.autocast("cpu", enabled=False):
            matrix = self.weight.flatten(1)
            with torch.no_grad():
                right = F.normalize(self.left @ matrix, dim=0)
                left = F.normalize(matrix @ right, dim=0)
                if self.training:
                    self.left.copy_(left)
            return self.weight / torch.dot(left, matrix @ right)

    def forward(self, x: Tensor) -> Tensor:
        """[n, inputs, h, w] -> [n, outputs, h, w]."""
        return self._conv_forward(x, self.normalized(), self.bias)


class DownBlock(nn.Module):
    """ReLU, conv, ReLU, conv, then a 2x2 mean if the resolution halves; with a 1x1 shortcut in parallel."""

    def __init__(self, inputs: int, outputs: int, *, down: bool, first: bool = False) -> None:
        super().__init__()
        self.down, self.first = down, first
        self.conv1 = SpectralConv2d(inputs, outputs, 3)
        self.conv2 = SpectralConv2d(outputs, outputs, 3)
        self.shortcut = SpectralConv2d(inputs, outputs, 1) if down or inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """[n, inputs, h, w] -> [n, outputs, h/2, w/2] with `down`, otherwise [n, outputs, h, w]."""
        y = self.conv2(F.relu_(self.conv1(x if self.first else F.relu(x))))
        if self.down:
            # The mean commutes with the 1x1 convolution, which costs a quarter if done after it.
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
        return y + (x if self.shortcut is None else self.shortcut(x))


class Discriminator(nn.Module):
    """Images [n, channels, h, w] in [-1, 1] -> scores [n]; the first two blocks halve the resolution."""

    def __init__(self, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        inputs = (channels, *widths[:-1])
        self.blocks = nn.Sequential(
            *(
                DownBlock(i, o, down=number < 2, first=number == 0)
                for number, (i, o) in enumerate(zip(inputs, widths, strict=True))
            )
        )
        self.score = SpectralConv2d(widths[-1], 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Hinge scores, higher for images that look real."""
        features = F.relu(self.blocks(images)).float().sum((2, 3), keepdim=True)
        return self.score(features).flatten()
