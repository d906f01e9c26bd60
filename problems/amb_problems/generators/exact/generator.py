"""What exact generators share: their chunks, and the engine that renders them."""

from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from amb.contracts.generator import Latents
from amb.contracts.problem import UInt8Array
from amb_problems.generators.torch_generator import TorchGenerator

if TYPE_CHECKING:
    from torch import Tensor

_LARGEST = {"cpu": 16}
"""Rows of a chunk by device: more than sixteen leave the processor's caches."""
_LARGEST_ELSEWHERE = 256
_WORTH_A_THREAD = 8
"""Rows from which another thread saves more than starting it costs."""


class ExactGenerator(TorchGenerator):
    """A generator whose arithmetic is exact: no batch is padded, and every device gives the same bits."""

    threaded = True

    @cached_property
    @abstractmethod
    def rendering(self) -> "Callable[[Tensor], Tensor]":
        """Pixels uint8 [n, h, w, c] of latents on the device, on the engine."""

    def _make(self, latents: "Tensor") -> "Tensor":
        raise NotImplementedError("an exact generator renders pixels, not real numbers")

    def _padded(self, latents: ArrayLike) -> list[Latents]:
        """Chunks of about equal size, as many for every thread; only if there are no rows, one is added."""
        import torch

        rows = np.asarray(latents, np.float32)
        self._check(rows)
        if not len(rows):
            return [np.zeros((1, self.latent_dim), np.float32)]
        largest = _LARGEST.get(self.device, _LARGEST_ELSEWHERE)
        count = max(1, -(-len(rows) // largest))
        threads = torch.get_num_threads() if self.device == "cpu" else 1
        if len(rows) >= threads * _WORTH_A_THREAD:
            count = -(-count // threads) * threads
        return np.array_split(rows, count)

    def _render_all(self, chunks: list[Latents]) -> list[UInt8Array]:
        _ = self.rendering  # prepared once, before the threads begin
        return super()._render_all(chunks)

    def _on_device(self, latents: Latents) -> "Tensor":
        import torch

        with torch.inference_mode():
            return self.rendering(torch.from_numpy(latents).to(self.device))
