"""The tensors of an exact generator's checkpoint, read and checked."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from amb.errors import CheckpointError
from amb_problems import checkpoint
from amb_problems.cards import Card, ExactCard
from amb_problems.generators.exact.derivation import DIGEST, Origin, derive, digest
from amb_problems.generators.exact.screen import HALF
from amb_problems.targets.spiking.exact import ExactLayer, Grid, check_sums, from_tensors, load_weights

TABLE = "screen"
"""The tensor that holds the pixel of every tone."""


class ExactModule(nn.Module):
    """A network of exact layers: linear ones, convolutions and up-convolutions."""

    @abstractmethod
    def grids(self) -> dict[str, Grid]:
        """The input grid of every layer, by the layer's name."""

    @abstractmethod
    def origins(self) -> dict[str, Origin]:
        """Where every layer's weights come from, by the layer's name."""

    @abstractmethod
    def sums(self) -> list[tuple[str, ...]]:
        """The layers whose outputs are added to each other."""


Network = TypeVar("Network", bound=ExactModule)


def read_network(
    card: ExactCard, tensors: Mapping[str, Tensor], make: Callable[[], Network], origin: Card
) -> tuple[Network, dict[str, ExactLayer]]:
    """The network of a checkpoint, float32, and its layers; it takes memory once the tensors are known to fit.

    Args:
        card: the checkpoint's.
        tensors: the checkpoint's; see `derivation`.
        make: the network of the card's shape.
        origin: the card of the float32 checkpoint from whose weights the rounded ones are derived.

    Raises:
        CheckpointError: see `read_layers`; or the shape is another than that of the origin, or has no network.
    """
    if getattr(origin, "shape", None) != getattr(card, "shape", None):
        raise CheckpointError(
            f"checkpoint {card.name!r} has another shape than {card.origin!r}, from which its weights are derived; "
            "round it again with `amb train`"
        )
    with checkpoint.fitting(card):
        with torch.device("meta"):
            built = make()
        layers = read_layers(built, tensors, checkpoint.kept(card.origin, origin))
        network = make().float()
        load_weights(network, layers)
    return network, layers


def read_layers(
    network: ExactModule, tensors: Mapping[str, Tensor], origin: str | checkpoint.Kept
) -> dict[str, ExactLayer]:
    """The layers of a checkpoint, also put into `network` as float32.

    Args:
        network: of the card's shape.
        tensors: the checkpoint's; see `derivation`.
        origin: the float32 checkpoint from whose weights the rounded ones are derived.

    Raises:
        CheckpointError: tensors are missing, of another type or size, sums might be rounded in float32, or the derived
            weights are others than those that were once rounded.
    """
    tensors = {**tensors, **_derived(network, tensors, origin)}
    layers = from_tensors(tensors, network.grids(), network)
    check_sums(layers, network.sums())
    load_weights(network, layers)
    return layers


def read_table(tensors: Mapping[str, Tensor]) -> Tensor:
    """The pixel of every tone.

    Raises:
        CheckpointError: it is missing, or of another type or size.
    """
    table = tensors.get(TABLE)
    if table is None or table.dtype != torch.uint8 or table.shape != (2 * HALF,):
        found = "nothing" if table is None else f"{table.dtype} {list(table.shape)}"
        raise CheckpointError(f"an exact generator needs {TABLE} as torch.uint8 [{2 * HALF}], found {found}")
    return table


def _derived(network: ExactModule, tensors: Mapping[str, Tensor], origin: str | checkpoint.Kept) -> dict[str, Tensor]:
    source, card = checkpoint.load(origin)
    weights = derive(network.origins(), tensors, source)
    expected = tensors.get(DIGEST)
    found = digest(weights, card.sha256)
    if expected is None or expected.dtype != found.dtype or not torch.equal(expected, found):
        raise CheckpointError(
            f"the int8 weights are not those that {card.name} was rounded to; take both checkpoints from one version of"
            " amb, or round it again with `amb train`"
        )
    return weights
