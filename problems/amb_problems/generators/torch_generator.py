"""Generators that are networks with shipped, or a user's own, checkpoints."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy, deepcopy
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from amb.contracts.generator import Generator, Latents
from amb.contracts.problem import UInt8Array
from amb.errors import CheckpointError
from amb_problems import checkpoint
from amb_problems.cards import AnyCard, Card, SNGANCard
from amb_problems.generators.folded import fold
from amb_problems.generators.pixels import to_uint8_on_device
from amb_problems.generators.sngan import SNGAN
from amb_problems.threads import one_thread_each

Network = TypeVar("Network", bound=nn.Module)


class NetworkGenerator(Generator):
    """A network behind the generator's contract; what it makes can stay on its device."""

    _network: nn.Module
    _card: Card
    _device = "cpu"

    def on(self, device: str) -> "NetworkGenerator":
        if device == self._device:
            return self
        other = copy(self)
        other._network, other._device = deepcopy(self._network).to(device), device
        return other

    def facts(self) -> Mapping[str, object]:
        return self._card.summary

    def device_images(self, latents: Latents) -> Tensor:
        """The same images, uint8 [n, h, w, c], left on the device."""
        return torch.cat([self._on_device(chunk) for chunk in self._padded(latents)])[: len(latents)]

    @abstractmethod
    def _make(self, latents: Tensor) -> Tensor:
        """Images [n, c, h, w], -1 black and 1 white, of latents on the device."""

    def _render_all(self, chunks: list[Latents]) -> list[UInt8Array]:
        # oneDNN's kernels for a transposed convolution sum in an order that depends on the number of threads
        # (3 threads give other bits than 1, 2 or 4).
        return one_thread_each(self._render, chunks) if self._device == "cpu" else super()._render_all(chunks)

    def _render(self, latents: Latents) -> UInt8Array:
        return self._on_device(latents).cpu().numpy()

    def _on_device(self, latents: Latents) -> Tensor:
        with one_algorithm():
            return to_uint8_on_device(self._make(torch.from_numpy(latents).to(self._device)))


@contextmanager
def one_algorithm() -> Iterator[None]:
    """Inference by one algorithm for one shape, without factors of 10 bits: the same bits whenever it is done."""
    with (
        torch.inference_mode(),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
    ):
        yield


def restore(
    name_or_path: str | Path, expected: type[AnyCard], build: Callable[[AnyCard], Network]
) -> tuple[Network, AnyCard]:
    """The network of a checkpoint, and its card; `build` makes the network from the card.

    Raises:
        CheckpointError: no such checkpoint, or one that is damaged or of another kind.
    """
    tensors, card = checkpoint.load(name_or_path, expected)
    try:
        network = build(card)
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"checkpoint {card.name} does not fit its card's shape: {error}") from error
    return network, card


class SNGANGenerator(NetworkGenerator):
    """An SN-GAN behind the generator's contract.

    Raises:
        CheckpointError: no such checkpoint, or one that is damaged or no SN-GAN's.
    """

    def __init__(self, name_or_path: str | Path) -> None:
        network, card = restore(name_or_path, SNGANCard, lambda card: SNGAN(card.shape))
        self.name, self.latent_dim, self.fingerprint = card.name, network.shape.latent, card.sha256
        self._card, self._network = card, fold(network)

    def pixels(self, latents: Tensor) -> Tensor:
        """Pixels float32 [n, h, w, c] in 0..255 of latents on the device, through which gradients flow.

        They are rounded, as a screen would show them; the gradient passes the rounding unchanged.
        """
        smooth = (self._network(latents).permute(0, 2, 3, 1) + 1) * 127.5
        return smooth + (smooth.round().clamp(0, 255) - smooth).detach()

    def _make(self, latents: Tensor) -> Tensor:
        images: Tensor = self._network(latents)
        return images
