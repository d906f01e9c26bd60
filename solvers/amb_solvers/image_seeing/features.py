"""Features of images: means of a bank's maps, over the whole image and over the cells of a grid, standardized."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from amb.contracts.view import Pixels
from amb_solvers.image_seeing.banks import Bank

CELLS = 4
"""Cells a side of the grid on which maps are averaged."""
ROWS = 16
"""Images at a time."""

Matrix = NDArray[np.float32]


class Features:
    """Standardized features of images, in groups that the regression weighs one by one.

    A bank gives two groups: the means of its maps, which tell what is in the image, and their means over the cells of a
    grid, which tell where.

    Args:
        banks: what makes maps of images.
        sample: typical images, uint8[n, h, w, c], whose features have mean 0 and variance 1.
    """

    def __init__(self, banks: Sequence[Bank], sample: NDArray[np.uint8]) -> None:
        self._banks = banks
        self._mean: Tensor | None = None
        self._scale: Tensor | None = None
        self.groups: list[slice] = []
        raw = self._raw(sample)
        deviation = raw.std(0)
        # A feature that hardly varies would amplify rounding.
        usable = deviation > 1e-4 * deviation.max().clamp(min=1e-12)
        self._mean = raw.mean(0)
        self._scale = torch.where(usable, 1 / deviation.clamp(min=1e-12), torch.zeros(()))
        for group in self.groups:
            size = max(1, int(usable[group].sum()))
            self._scale[group] /= size**0.5  # so that every group's kernel has about unit variance
        self.sample: Matrix = ((raw - self._mean) * self._scale).numpy()
        """Those of the sample, float32[n, features]."""

    def __call__(self, images: NDArray[np.uint8]) -> Matrix:
        """Features float32[n, features] of images uint8[n, h, w, c]."""
        assert self._mean is not None
        assert self._scale is not None
        return ((self._raw(images) - self._mean) * self._scale).numpy()

    def slope(self, pixels: Pixels, weights: Matrix) -> Pixels:
        """The derivatives of ``features @ weights`` with respect to pixels, a row of weights for each image.

        Args:
            pixels: float32[n, h, w, c] in 0..255.
            weights: float32[n, features].
        """
        assert self._scale is not None
        with one_thread():
            x = torch.from_numpy(pixels).requires_grad_()
            score = (self._vector(x) * (torch.from_numpy(weights) * self._scale)).sum()
            (gradient,) = torch.autograd.grad(score, x)
            result: Pixels = gradient.numpy()
            return result

    def _raw(self, images: NDArray[np.uint8]) -> Tensor:
        with one_thread(), torch.inference_mode():
            parts = [self._vector(torch.from_numpy(images[i : i + ROWS]).float()) for i in range(0, len(images), ROWS)]
            return torch.cat(parts).clone()

    def _vector(self, pixels: Tensor) -> Tensor:
        """Features before standardization, and the groups in which they lie."""
        parts: list[Tensor] = []
        self.groups = []
        for bank in self._banks:
            maps = bank(pixels)
            for part in (_means(maps), _cells(maps)):
                if part is not None:
                    start = self.groups[-1].stop if self.groups else 0
                    self.groups.append(slice(start, start + part.shape[1]))
                    parts.append(part)
        return torch.cat(parts, 1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Kernels sum in an order that depends on the number of threads: a run must not."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _means(maps: Sequence[Tensor]) -> Tensor:
    return torch.cat([m.mean((2, 3)) if m.ndim == 4 else m for m in maps], 1)


def _cells(maps: Sequence[Tensor]) -> Tensor | None:
    """Means over the cells of a grid of the maps that are at least as fine."""
    fine = [m for m in maps if m.ndim == 4 and min(m.shape[-2:]) >= CELLS]
    return torch.cat([F.adaptive_avg_pool2d(m, CELLS).flatten(1) for m in fine], 1) if fine else None
