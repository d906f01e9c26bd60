"""The shipped plain networks as targets."""

from collections.abc import Mapping, Sequence
from copy import copy
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from amb.errors import CheckpointError, unknown
from amb.reloaded import Reloaded
from amb_problems import checkpoint, natural
from amb_problems.cards import PlainTargetCard
from amb_problems.targets.plain.module import ModuleTarget

if TYPE_CHECKING:
    from amb.contracts.natural import NaturalResponses
    from amb_problems.targets.plain.responses import Responses
    from amb_problems.targets.scale import Scale


class PlainTarget(Reloaded, ModuleTarget):
    """A plain network of a checkpoint; activations are normalized by the units' responses to natural images.

    0 is the unit's mean, 1 its strongest response to the data set's test half. `prob` is the class output's softmax,
    the measure of the paper's framework, which saturates: most searches pass 0.97 within 200 queries.

    Args:
        name_or_path: a shipped checkpoint by its name, or another one by its path.
        device: the device that it runs on.

    Raises:
        CheckpointError: the card is missing, damaged or not a plain target's; the weights are read on first use.
    """

    threaded = True

    def __init__(self, name_or_path: str | Path, *, device: str = "cpu") -> None:
        card = checkpoint.read_card(name_or_path, PlainTargetCard)
        self.name, self.fingerprint, self.device = card.name, card.fingerprint, device
        self.shape, self.activation, self.output = card.image_shape, card.activation, card.output
        self.classes = card.classes
        self._source, self._card = checkpoint.kept(name_or_path, card), card

    @property
    def layers(self) -> Mapping[str, int]:
        """Units of every layer, and of `prob`."""
        return self._card.units

    def natural_responses(self) -> "NaturalResponses | None":
        """Those that are shipped for these weights."""
        return natural.load(self.name, self.fingerprint)

    def states(self, folder: Path | None = None) -> "Sequence[PlainTarget]":
        """The network in the course of its training, from checkpoints that `amb train --keep` wrote."""
        return [PlainTarget(path, device=self.device) for path in checkpoint.states_of_training(self.name, folder)]

    def facts(self) -> Mapping[str, object]:
        """Network, weights, data and accuracy, from the card."""
        return {**self._card.summary, "arithmetic": self.arithmetic}

    def on(self, device: str) -> "PlainTarget":
        """The same target on a device, loaded.

        Raises:
            CheckpointError: its checkpoint is missing or damaged.
        """
        other = self
        if device != self.device:
            other = copy(self)
            other.device = device
        _ = other.responses
        return other

    @property
    def responses(self) -> "Responses":
        return self._loaded[0]

    @property
    def scales(self) -> "Mapping[str, Scale]":
        return self._loaded[1]

    @cached_property
    def _loaded(self) -> "tuple[Responses, Mapping[str, Scale]]":
        import torch

        from amb_problems.targets.normalize import normalize
        from amb_problems.targets.plain.architectures import PLAIN_NETWORKS
        from amb_problems.targets.plain.responses import Responses
        from amb_problems.targets.scale import Scale

        tensors, card = checkpoint.load(self._source, PlainTargetCard)
        if card.network not in PLAIN_NETWORKS:
            raise unknown("network", card.network, PLAIN_NETWORKS, CheckpointError)
        with checkpoint.fitting(card):
            make = partial(PLAIN_NETWORKS[card.network], **card.arguments)
            weights = {name: tensor for name, tensor in tensors.items() if "/" not in name}
            checkpoint.compare_sizes(weights, make)
            network = make().float()  # torch's default dtype is the user's
            known = network.state_dict()
            network.load_state_dict({name: tensor.to(known[name].dtype) for name, tensor in weights.items()})
            scales = {layer: Scale.of(tensors, layer, units=shape[0]) for layer, shape in card.layers.items()}
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        responses = Responses.of_shipped(
            network, prepare=normalize, shape=self.shape, device=self.device, name=self.name
        )
        with checkpoint.fitting(card):
            for layer in (*card.layers, card.output):
                if responses.layers[layer] != card.units[layer]:
                    raise ValueError(f"{layer} has {responses.layers[layer]} units, not {card.units[layer]}")
        return responses, scales
