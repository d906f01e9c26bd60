"""Running a generator's network so that the same latent gives the same bits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from amb.contracts.generator import Latents
from amb.errors import PluginError
from amb_problems import checkpoint
from amb_problems.cards import AnyCard
from amb_problems.generators.pixels import to_uint8_on_device

Network = TypeVar("Network", bound=nn.Module)


@contextmanager
def one_algorithm() -> Iterator[None]:
    """A context for inference with one algorithm per shape and without 10-bit factors: the same bits every time."""
    with (
        torch.inference_mode(),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
    ):
        yield


def images_on_device(make: Callable[[Tensor], Tensor], latents: Latents, device: str) -> Tensor:
    """Images uint8 [n, h, w, c] on the device, of one chunk of latents.

    Args:
        make: latents on the device -> images [n, c, h, w], -1 black and 1 white.
        latents: float32 [n, d].
        device: where `make` computes.

    Raises:
        PluginError: an image has NaN, which would be shown as black.
    """
    with one_algorithm():
        images = make(torch.from_numpy(latents).to(device))
        if images.isnan().any():
            raise PluginError(
                "the generator's network gives NaN in place of an image; expected weights with which every "
                "latent has one"
            )
        return to_uint8_on_device(images)


def restore(
    source: str | Path | checkpoint.Kept, expected: type[AnyCard], build: Callable[[AnyCard], Network]
) -> tuple[Network, AnyCard]:
    """The network of a checkpoint, and its card; `build` makes the network from the card.

    Raises:
        CheckpointError: no such checkpoint, or one that is damaged, of another kind or replaced; see `checkpoint.load`.
    """
    tensors, card = checkpoint.load(source, expected)
    with checkpoint.fitting(card):
        checkpoint.compare_sizes(tensors, lambda: build(card))
        network = build(card).float()  # torch's default dtype is the user's
        network.load_state_dict(tensors)
    return network, card
