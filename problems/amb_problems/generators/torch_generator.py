"""Generators whose networks come from checkpoints, shipped or the user's own.

Creating one reads its model card; torch is imported, and the network loaded, on first use.
"""

from abc import abstractmethod
from collections.abc import Mapping
from copy import copy, deepcopy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from amb.contracts.generator import Generator, Grid, Latents
from amb.contracts.problem import UInt8Array
from amb.contracts.view import View
from amb.reloaded import Reloaded
from amb_problems import checkpoint
from amb_problems.cards import Card, SNGANCard
from amb_problems.generators.padding import Padding
from amb_problems.threads import one_thread_each
from amb_problems.torch_state import usual_torch

if TYPE_CHECKING:
    from torch import Tensor, nn


class TorchGenerator(Reloaded, Generator):
    """A network behind the generator's contract; its images can stay on its device."""

    device: str = "cpu"
    _source: checkpoint.Kept
    _card: Card

    @cached_property
    def network(self) -> Any:
        """The network for inference, on the device; loaded on first use, and anew in a copy."""
        network = self._load()
        return network if self.device == "cpu" else deepcopy(network).to(self.device)  # others may use it here

    def on(self, device: str) -> "TorchGenerator":
        """The same generator on a device, loaded.

        Raises:
            CheckpointError: its checkpoint is missing or damaged.
        """
        network = self.network
        if device == self.device:
            return self
        other = copy(self)
        other.device = device
        other.__dict__["network"] = deepcopy(network).to(device)
        return other

    def facts(self) -> Mapping[str, object]:
        """The facts of the card for people."""
        return self._card.summary

    def view(self, grid: Grid) -> View:
        """Its images on a grid, and slopes through the network."""
        from amb_problems.generators.view import GeneratorView

        return GeneratorView(self, grid, device=self.device)

    @usual_torch()
    def images(self, latents: ArrayLike) -> UInt8Array:
        """Whatever is set for all calls of torch; see the contract."""
        return super().images(latents)

    @usual_torch()
    def device_images(self, latents: Latents) -> "Tensor":
        """The same images, uint8 [n, h, w, c], left on the device."""
        import torch

        return torch.cat([self._on_device(chunk) for chunk in self._padded(latents)])[: len(latents)]

    @abstractmethod
    def _load(self) -> "nn.Module":
        """The network for inference with the checkpoint's weights.

        Raises:
            CheckpointError: they are missing, damaged, or do not fit the card.
        """

    @abstractmethod
    def _make(self, latents: "Tensor") -> "Tensor":
        """Images [n, c, h, w], -1 black and 1 white, of latents on the device."""

    def _padded(self, latents: ArrayLike) -> list[Latents]:
        """Chunks of at most `CHUNK` rows, as many for every thread, padded as little as their bits allow."""
        import torch

        rows = np.asarray(latents, np.float32)
        self._check(rows)
        return self._padding.chunks(rows, torch.get_num_threads() if self.device == "cpu" else 1)

    @cached_property
    def _padding(self) -> Padding:
        grid = self.grid()
        sample = grid.latents_checked(grid.space.sample(self.CHUNK, np.random.default_rng(0)))
        return Padding(lambda latents: one_thread_each(self._outputs, [latents])[0], sample)

    def _render_all(self, chunks: list[Latents]) -> list[UInt8Array]:
        # oneDNN's kernels for a transposed convolution sum in an order that depends on the number of threads
        # (3 threads give different bits than 1, 2 or 4).
        _ = self.network  # loaded once, before the threads begin
        return one_thread_each(self._render, chunks) if self.device == "cpu" else super()._render_all(chunks)

    def _render(self, latents: Latents) -> UInt8Array:
        return self._on_device(latents).cpu().numpy()

    def _outputs(self, latents: Latents) -> "Tensor":
        """The network's outputs before they are rounded to pixels."""
        import torch

        from amb_problems.generators.inference import one_algorithm

        with one_algorithm():
            return self._make(torch.from_numpy(latents).to(self.device))

    def _on_device(self, latents: Latents) -> "Tensor":
        from amb_problems.generators.inference import images_on_device

        return images_on_device(self._make, latents, self.device)


class SNGANGenerator(TorchGenerator):
    """An SN-GAN behind the generator's contract.

    Args:
        name_or_path: a shipped checkpoint by its name, or another one by its path.

    Raises:
        CheckpointError: no such checkpoint, or a card that is damaged or not an SN-GAN's; the weights are read on first
            use.
    """

    threaded = True

    def __init__(self, name_or_path: str | Path) -> None:
        card = checkpoint.read_card(name_or_path, SNGANCard)
        sizes = card.shape
        self.name, self.fingerprint, self.latent_dim = card.name, card.fingerprint, sizes.latent
        self.shape = sizes.size, sizes.size, sizes.channels
        self._source, self._card = checkpoint.kept(name_or_path, card), card

    def pixels(self, latents: "Tensor") -> "Tensor":
        """Pixels float32 [n, h, w, c] in 0..255 of latents on the device, through which gradients flow.

        They are rounded, as a screen would show them; the gradient ignores the rounding.
        """
        smooth = (self.network(latents).permute(0, 2, 3, 1) + 1) * 127.5
        return smooth + (smooth.round().clamp(0, 255) - smooth).detach()

    def _load(self) -> "nn.Module":
        from amb_problems.generators.folded import fold
        from amb_problems.generators.inference import restore
        from amb_problems.generators.sngan import SNGAN

        network, _ = restore(self._source, SNGANCard, lambda card: SNGAN(card.shape))
        return fold(network)

    def _make(self, latents: "Tensor") -> "Tensor":
        images: Tensor = self.network(latents)
        return images
