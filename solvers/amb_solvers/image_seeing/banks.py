"""Banks of filters that were never trained: random convolutions, and Gabor and colour filters."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

WIDTHS = (64, 96, 128)
FREQUENCIES = (0.1, 0.18, 0.3)
"""Cycles per pixel."""
ORIENTATIONS = 8
RADIUS = 4
LARGEST_SIDE = 64
"""Larger images are averaged down."""
SMALLEST = 4
"""Maps of fewer pixels a side are not pooled further."""


class Bank(Protocol):
    """Maps of images, through which gradients flow."""

    def __call__(self, pixels: Tensor) -> list[Tensor]:
        """Pixels float32[n, h, w, c] in 0..255 -> maps float32[n, maps, h', w'] of any number of layers; a layer
        without positions gives float32[n, maps]."""


class RandomConvolutions:
    """Three layers of random convolutions with rectifiers and pooling between them; nothing is trained.

    The filters have zero mean and unit norm. Every layer is scaled by the standard deviation of its responses to the
    sample, and shifted by random thresholds.

    Args:
        sample: pixels of typical images, float32[n, h, w, c].
        seed: of the filters; the same in all runs, so that runs differ in nothing but their search.
        widths: filters of every layer.
    """

    def __init__(self, sample: Tensor, *, seed: int = 0, widths: Sequence[int] = WIDTHS) -> None:
        generator = torch.Generator().manual_seed(seed)
        self._layers: list[tuple[Tensor, Tensor]] = []
        x = prepared(sample)
        for number, width in enumerate(widths):
            kernel = 3 if number else 5
            weight = torch.randn(width, x.shape[1], kernel, kernel, generator=generator)
            weight = weight - weight.mean((1, 2, 3), keepdim=True)
            weight = weight / weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
            bias = 0.3 * torch.randn(width, generator=generator)
            deviation = F.conv2d(x, weight, padding=kernel // 2).std()
            weight = (weight / deviation.clamp(min=1e-6)).contiguous(memory_format=torch.channels_last)
            self._layers.append((weight, bias))
            x = _pooled(self._layer(x, number))

    def __call__(self, pixels: Tensor) -> list[Tensor]:
        x, maps = prepared(pixels), []
        for number in range(len(self._layers)):
            x = self._layer(x if not number else _pooled(x), number)
            maps.append(x)
        return maps

    def _layer(self, x: Tensor, number: int) -> Tensor:
        weight, bias = self._layers[number]
        return F.relu(F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2))


class GaborColour:
    """A fixed bank: rectified Gabor responses of both phases, and their energies, of luminance and two colour axes."""

    def __init__(self) -> None:
        self._filters = torch.from_numpy(gabor_filters()).float()[:, None]

    def __call__(self, pixels: Tensor) -> list[Tensor]:
        x = prepared(pixels)
        luminance = x.mean(1, keepdim=True)
        axes = [luminance]
        if x.shape[1] == 3:
            axes += [x[:, :1] - x[:, 1:2], x[:, 2:] - x[:, :2].mean(1, keepdim=True)]
        planes = torch.cat(axes, 1)
        stride = 2 if min(planes.shape[-2:]) >= 4 * SMALLEST else 1
        responses = F.conv2d(planes.flatten(0, 1)[:, None], self._filters, stride=stride, padding=RADIUS)
        responses = responses.view(len(x), len(axes), *responses.shape[1:])
        even, odd = responses[:, 0, 0::2], responses[:, 0, 1::2]
        planes = F.avg_pool2d(planes, stride) if stride > 1 else planes
        planes = planes[..., : responses.shape[-2], : responses.shape[-1]]
        energy = (even.square() + odd.square() + 1e-4).sqrt()
        signed = responses.flatten(1, 2)
        return [torch.cat([F.relu(signed), F.relu(-signed), energy, F.relu(planes), F.relu(-planes)], 1)]


def gabor_filters() -> np.ndarray:
    """Even and odd Gabor filters by frequency and orientation, zero mean and unit norm: float64[2 F O, side, side]."""
    y, x = np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1].astype(np.float64)
    filters = []
    for frequency in FREQUENCIES:
        window = np.exp(-(x**2 + y**2) / (2 * (0.35 / frequency) ** 2))
        for angle in np.arange(ORIENTATIONS) * np.pi / ORIENTATIONS:
            along = x * np.cos(angle) + y * np.sin(angle)
            filters += [np.cos(2 * np.pi * frequency * along - phase) * window for phase in (0.0, np.pi / 2)]
    stack = np.stack(filters)
    stack -= stack.mean((1, 2), keepdims=True)
    normed: np.ndarray = stack / np.linalg.norm(stack, axis=(1, 2), keepdims=True)
    return normed


def prepared(pixels: Tensor) -> Tensor:
    """Pixels [n, h, w, c] in 0..255 -> [n, c, h, w], grey 0 and black -2, averaged down if they are large."""
    x = pixels.permute(0, 3, 1, 2).sub(128.0).div(64.0)
    side = max(x.shape[-2:])
    if side > LARGEST_SIDE:
        height, width = (max(1, round(n * LARGEST_SIDE / side)) for n in x.shape[-2:])
        x = F.adaptive_avg_pool2d(x, (height, width))
    return x.contiguous(memory_format=torch.channels_last)


def _pooled(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2) if min(x.shape[-2:]) >= 2 * SMALLEST else x
