"""Targets that are torch modules in floating point: what problems maximize in them.

The activation of a unit is its channel's mean response over the positions of its map, and over the frames where the
network has a memory. For the shipped networks it is normalized by what the unit answers to natural images: 0 is the
mean, 1 the strongest response to the data set's test half. `prob` is the class output's softmax, the measure of the
paper's framework, which saturates: most searches pass 0.97 within 200 queries.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from amb.errors import CheckpointError, unknown
from amb_problems import checkpoint
from amb_problems.cards import PlainTargetCard
from amb_problems.targets.plain.architectures import PLAIN_NETWORKS
from amb_problems.targets.plain.responses import Images, Responses
from amb_problems.targets.scale import Scale

FloatArray = npt.NDArray[np.float64]

PROBABILITY = "prob"
"""The layer whose units are the softmax probabilities of the classes."""


class ModuleTarget:
    """Activations of a module's units.

    Args:
        responses: the module.
        layers: the layers on offer, all of the module's by default.
        output: the layer of the class output, which is offered as `prob` too; None: there is none.
        scales: the layers that are normalized; others answer as they are.
    """

    def __init__(
        self,
        responses: Responses,
        *,
        layers: Sequence[str] | None = None,
        output: str | None = None,
        scales: Mapping[str, Scale] | None = None,
    ) -> None:
        self.responses, self.output, self.scales = responses, output, dict(scales or {})
        self.layers = {layer: responses.layers[layer] for layer in (responses.layers if layers is None else layers)}
        if output is not None:
            self.layers[PROBABILITY] = responses.layers[output]

    def activations(self, images: Images, units: Sequence[tuple[str, int]]) -> FloatArray:
        """The activation of unit `units[i]`, a (layer, channel) pair, for image `i`: float64 `[n]`.

        Raises:
            SpecError: no such layer or unit, or images of another shape or type.
        """
        for layer, _ in units:
            if layer not in self.layers:
                raise unknown("layer", layer, self.layers)
        rows: dict[str, list[int]] = {}
        for row, (layer, _) in enumerate(units):
            rows.setdefault(layer, []).append(row)
        result = np.zeros(len(units))
        likely = rows.pop(PROBABILITY, [])
        plain = [row for some in rows.values() for row in some]
        if plain:
            result[plain] = self.responses.own(images[plain], [units[row] for row in plain])
        for layer, some in rows.items():
            if layer in self.scales:
                result[some] = self.scales[layer](np.array([units[row][1] for row in some]), result[some])
        if likely:
            probabilities = softmax(self.class_scores(images[likely]))
            result[likely] = probabilities[np.arange(len(likely)), [units[row][1] for row in likely]]
        return result

    device_activations = activations

    def all_activations(self, images: Images, units: Sequence[tuple[str, int]]) -> FloatArray:
        """The activation of every unit for every image: float64 `[n, len(units)]`, in one pass.

        Raises:
            SpecError: no such layer or unit, or images of another shape or type.
        """
        for layer, _ in units:
            if layer not in self.layers:
                raise unknown("layer", layer, self.layers)
        sources = {layer: str(self.output) if layer == PROBABILITY else layer for layer, _ in units}
        means = self.responses.means(images, sources.values())
        result = np.zeros((len(images), len(units)))
        for layer, source in sources.items():
            columns = [column for column, (own, _) in enumerate(units) if own == layer]
            wanted = np.array([units[column][1] for column in columns])
            values = means[source].astype(np.float64)
            values = softmax(values)[:, wanted] if layer == PROBABILITY else values[:, wanted]
            result[:, columns] = self.scales[layer](wanted, values) if layer in self.scales else values
        return result

    def relaxed(self, pixels: Tensor, layer: str) -> Tensor:
        """Differentiable activations of a layer's units: float32 `[n, units]` of pixels `[n, h, w, c]` in 0..255.

        A spiking module's gradient is what its own framework's surrogate gives.

        Raises:
            SpecError: no such layer.
        """
        if layer not in self.layers:
            raise unknown("layer", layer, self.layers)
        if layer == PROBABILITY:
            return self.responses.differentiable(pixels, str(self.output)).softmax(1)
        means = self.responses.differentiable(pixels, layer)
        if layer not in self.scales:
            return means
        low, high = (torch.from_numpy(end).to(means) for end in (self.scales[layer].low, self.scales[layer].high))
        return (means - low) / torch.where(high > low, high - low, torch.ones_like(high))

    def class_scores(self, images: Images) -> FloatArray:
        """The class output as it is, float64 `[n, classes]`."""
        assert self.output is not None
        return self.responses.means(images, [self.output])[self.output].astype(np.float64)


def softmax(scores: FloatArray) -> FloatArray:
    """Probabilities of the classes, `[n, classes]`, each row from its own scores alone."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def small_images(pixels: Tensor) -> Tensor:
    """`(u8 - 128) / 64`: uint8 `[n, h, w, c]` to float32 `[n, c, h, w]`, channels last in memory."""
    return pixels.permute(0, 3, 1, 2).float().sub_(128.0).div_(64.0)


def load_plain(name_or_path: str | Path, *, device: str = "cpu") -> ModuleTarget:
    """A shipped plain network by its name, or one's own checkpoint by its path.

    Raises:
        CheckpointError: it is missing, damaged, or no plain target.
    """
    tensors, card = checkpoint.load(name_or_path, PlainTargetCard)
    if card.network not in PLAIN_NETWORKS:
        raise unknown("network", card.network, PLAIN_NETWORKS, CheckpointError)
    try:
        network = PLAIN_NETWORKS[card.network](**card.arguments)
        weights = {name: tensor for name, tensor in tensors.items() if "/" not in name}
        network.load_state_dict({name: tensor.to(network.state_dict()[name].dtype) for name, tensor in weights.items()})
        layers = list(card.layers)
        scales = {layer: Scale.of(tensors, layer) for layer in layers}
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"checkpoint {card.name!r} does not fit its card: {error!r}") from error
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    responses = Responses(network, prepare=small_images, device=device)
    return ModuleTarget(responses, layers=layers, output=card.output, scales=scales)
