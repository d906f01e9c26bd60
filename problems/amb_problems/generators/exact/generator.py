"""The exact SN-GAN behind the generator's contract."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from amb.contracts.generator import Latents
from amb.contracts.problem import UInt8Array
from amb_problems import checkpoint
from amb_problems.cards import ExactSNGANCard
from amb_problems.generators.torch_generator import TorchGenerator

if TYPE_CHECKING:
    from torch import Tensor, nn

    from amb_problems.generators.exact.rendering import SNGANRendering

_LARGEST = {"cpu": 16}
"""Rows of a chunk by device: more than sixteen leave the processor's caches."""
_LARGEST_ELSEWHERE = 256
_WORTH_A_THREAD = 8
"""Rows from which another thread saves more than starting it costs."""


class ExactSNGANGenerator(TorchGenerator):
    """An SN-GAN whose arithmetic is exact: no batch is padded, and every device gives the same bits.

    Latents are rounded to multiples of 1/32 and clipped to [-4, 4).

    Args:
        name_or_path: a shipped checkpoint by its name, or another one by its path.

    Raises:
        CheckpointError: no such checkpoint, or a card that is damaged or not an exact SN-GAN's; the weights are read on
            first use.
    """

    threaded = True

    def __init__(self, name_or_path: str | Path) -> None:
        card = checkpoint.read_card(name_or_path, ExactSNGANCard)
        self._sizes = sizes = card.shape
        self.name, self.fingerprint, self.latent_dim = card.name, card.sha256, sizes.latent
        self.shape = sizes.size, sizes.size, sizes.channels
        self._source, self._card = name_or_path, card

    @cached_property
    def rendering(self) -> "SNGANRendering":
        """Pixels of latents, on the engine."""
        import torch

        from amb_problems.generators.exact.rendering import SNGANRendering

        network = self.network
        return SNGANRendering(self._sizes, self._layers, network.table, torch.device(self.device))

    def pixels(self, latents: "Tensor") -> "Tensor":
        """Pixels float32 [n, h, w, c] in 0..255 of latents on the device: those of `images`.

        Gradients flow through them, straight through every rounding; where a value is clipped, they are zero.
        """
        import torch

        from amb_problems.generators.exact.screen import shown

        tones = self.network.tones(latents).permute(0, 2, 3, 1)
        smooth: Tensor = (torch.tanh(tones) + 1) * 127.5
        return smooth + (shown(tones.detach(), self.network.table) - smooth).detach()

    def _load(self) -> "nn.Module":
        import torch

        from amb_problems.generators.exact.sngan import ExactSNGAN
        from amb_problems.generators.exact.weights import read_layers, read_table

        tensors, card = checkpoint.load(self._source, ExactSNGANCard)
        network = ExactSNGAN(card.shape)
        self._layers = read_layers(network, tensors)
        network.register_buffer("table", read_table(tensors), persistent=False)
        network.eval().requires_grad_(False)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def on(self, device: str) -> "TorchGenerator":
        """The same generator on a device, loaded.

        Raises:
            CheckpointError: its checkpoint is missing or damaged.
        """
        other = super().on(device)
        if other is not self:
            other.__dict__.pop("rendering", None)
        return other

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
