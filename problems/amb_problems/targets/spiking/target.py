"""Spiking targets: an activation is a unit's share of possible spikes, or a class's readout."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from amb.contracts.images import check_images
from amb.contracts.problem import UInt8Array
from amb.contracts.space import FloatArray
from amb.contracts.target import Target, check_pairs, check_unit
from amb.reloaded import Reloaded
from amb_problems import checkpoint, natural
from amb_problems.cards import SpikingTargetCard
from amb_problems.targets.softmax import RATE_SCALE, softmax

if TYPE_CHECKING:  # heavy imports wait until the network is needed
    from numpy.typing import NDArray
    from torch import Tensor

    from amb.contracts.natural import NaturalResponses
    from amb_problems.engine.evaluator import Evaluator, Images
    from amb_problems.targets.spiking.exact_network import ExactNetwork


class SpikingTarget(Reloaded, Target):
    """A spiking network of a checkpoint; activations are spikes / (frames x positions of the feature map), in [0, 1].

    The class output `fc` does not spike: a class's activation is its readout, averaged over the frames and normalized
    by its responses to natural images: 0 is the mean, 1 the highest over the data set's test half.

    Membranes are at rest before every image, so an image's activation does not depend on earlier images. Weights are
    exact, so the same image gives the same activation, bit for bit, on any machine.

    Args:
        name_or_path: a shipped checkpoint by its name, or another one by its path.
        device: the device that it runs on.

    Attributes:
        frames: how many times an image is shown.
        spikes: by layer, the spikes of a unit that fires in every frame at every position.

    Raises:
        CheckpointError: the card is missing, damaged or not a spiking target's; the weights are read on first use.
    """

    threaded = True

    def __init__(self, name_or_path: str | Path, *, device: str = "cpu") -> None:
        card = checkpoint.read_card(name_or_path, SpikingTargetCard)
        self.name, self.fingerprint, self.device = card.name, card.fingerprint, device
        self.shape, self.activation, self.frames = card.image_shape, card.activation, card.frames
        self.spikes = {layer: card.frames * y * x for layer, (_, y, x) in card.layers.items()}
        self.classes = card.classes
        self._source, self._card = checkpoint.kept(name_or_path, card), card

    @property
    def layers(self) -> Mapping[str, int]:
        """Units of every spiking layer, and of the class output where it is offered."""
        return self._card.units

    def natural_responses(self) -> "NaturalResponses | None":
        """Those that are shipped for these weights."""
        return natural.load(self.name, self.fingerprint)

    def states(self, folder: Path | None = None) -> "Sequence[SpikingTarget]":
        """The network in the course of its training, from checkpoints that `amb train --keep` wrote."""
        return [SpikingTarget(path, device=self.device) for path in checkpoint.states_of_training(self.name, folder)]

    def facts(self) -> Mapping[str, object]:
        """Network, neuron, frames, weights, data and accuracy, from the card."""
        return {**self._card.summary, "arithmetic": "exact: the same image gives the same bits on any machine"}

    def on(self, device: str) -> "SpikingTarget":
        """The same target on a device, loaded.

        Raises:
            CheckpointError: its checkpoint is missing or damaged.
        """
        other = self
        if device != self.device:
            other = copy(self)
            other.device = device
        _ = other.evaluator
        return other

    @cached_property
    def network(self) -> "ExactNetwork":
        """The exact weights; read on first use."""
        from amb_problems.targets.spiking.exact_network import ExactNetwork

        return ExactNetwork.load(self._source, device=self.device)

    @cached_property
    def evaluator(self) -> "Evaluator":
        """The engine that counts spikes."""
        from amb_problems.engine.evaluator import Evaluator
        from amb_problems.targets.spiking.stages import network_of

        return Evaluator(network_of(self.network), device=self.device)

    def activations(self, images: "Images", units: Sequence[tuple[str, int]]) -> FloatArray:
        """The activation of unit `units[i]`, a (layer, channel) pair, for image `i`: float64 `[n]`.

        Args:
            images: uint8 `[n, height, width, channels]`, of the target's shape.

        Raises:
            SpecError: no such layer, or images of the wrong shape or type.
        """
        check_pairs(units, len(images) if np.ndim(images) == 4 else None)
        self._check(images, units)
        classes = [i for i, (layer, _) in enumerate(units) if layer not in self.spikes]
        spiking = [i for i, (layer, _) in enumerate(units) if layer in self.spikes]
        result = np.zeros(len(units))
        if spiking:
            asked = [units[i] for i in spiking]
            counts = self.evaluator.counts(images[spiking], asked)
            result[spiking] = counts / np.array([self.spikes[layer] for layer, _ in asked], np.float64)
        if classes:
            wanted = np.array([units[i][1] for i in classes])
            scores = self.readouts(images[classes])[np.arange(len(classes)), wanted]
            result[classes] = self.network.scales[units[classes[0]][0]](wanted, scores)
        return result

    device_activations = activations

    def readouts(self, images: "Images") -> FloatArray:
        """The output of `fc`, averaged over the frames: float64 `[n, classes]`."""
        return self.network.readouts(self.evaluator.unit_counts(images, self._last, self._last_units))

    def all_activations(self, images: UInt8Array, units: Sequence[tuple[str, int]]) -> FloatArray:
        """The activation of every unit for every image: float64 `[n, len(units)]`, one pass for all spiking layers.

        Raises:
            SpecError: no such layer or unit, or images of the wrong shape or type.
        """
        check_pairs(units)
        self._check(images, units)
        result = np.zeros((len(images), len(units)))
        asked = dict.fromkeys(layer for layer, _ in units)
        needed = dict.fromkeys(layer if layer in self.spikes else self._last for layer in asked)
        counts = self.evaluator.layer_counts(images, needed) if needed else {}
        for layer in asked:
            columns = [column for column, (own, _) in enumerate(units) if own == layer]
            wanted = np.array([units[column][1] for column in columns])
            if layer not in self.spikes:
                readouts = self.network.readouts(counts[self._last])
                result[:, columns] = self.network.scales[layer](wanted, readouts[:, wanted])
            else:
                result[:, columns] = counts[layer][:, wanted] / self.spikes[layer]
        return result

    def frame_activations(
        self, n: int, frames: Callable[[int], UInt8Array], layer: str, units: tuple[int, ...]
    ) -> FloatArray:
        """Activations of some units of a layer where every frame shows a different image: float64 `[n, len(units)]`.

        Args:
            n: number of stimuli.
            frames: the frames of stimulus i, uint8 `[frames, h, w, c]`; computed when needed.
            layer, units: whose activations.
        """
        if layer in self.spikes:
            return self.evaluator.frame_counts(n, frames, layer, units) / self.spikes[layer]
        wanted = np.array(units)
        return self.network.scales[layer](wanted, self.frame_scores(n, frames)[:, wanted])

    def frame_scores(self, n: int, frames: Callable[[int], UInt8Array]) -> FloatArray:
        """A score for every class where every frame shows a different image: float64 `[n, classes]`.

        The spikes of the last layer, or the readout. Arguments are those of `frame_activations`.
        """
        counts = self.evaluator.frame_counts(n, frames, self._last, self._last_units)
        return self.network.readouts(counts) if self.network.scales else counts.astype(np.float64)

    def classify(self, images: UInt8Array) -> FloatArray:
        """Class probabilities, float64 `[n, classes]`: softmax of the readout, or of the spike rates of `out`.

        Raises:
            SpecError: images of the wrong shape or type.
        """
        self._check(images, [])
        return self._probabilities(self.evaluator.unit_counts(images, self._last, self._last_units))

    def classify_frames(self, n: int, frames: Callable[[int], UInt8Array]) -> FloatArray:
        """The same for stimuli whose frames differ, uint8 `[frames, h, w, c]` each."""
        return self._probabilities(self.evaluator.frame_counts(n, frames, self._last, self._last_units))

    def _probabilities(self, counts: "NDArray[np.int64]") -> FloatArray:
        if self.network.scales:
            return softmax(self.network.readouts(counts))
        return softmax(RATE_SCALE * counts / self.spikes[self._last])

    def relaxed(self, pixels: "Tensor", layer: str) -> "Tensor":
        """Differentiable activations of a layer's units: float32 `[n, units]` of pixels `[n, h, w, c]` in 0..255.

        Raises:
            SpecError: no such layer.
        """
        from amb_problems.targets.spiking.relaxation import relaxed

        return relaxed(self.network, pixels, layer)

    @property
    def _last(self) -> str:
        """The deepest spiking layer."""
        return list(self.spikes)[-1]

    @property
    def _last_units(self) -> tuple[int, ...]:
        return tuple(range(self.layers[self._last]))

    def _check(self, images: "Images", units: Sequence[tuple[str, int]]) -> None:
        check_images(images, self.shape, f"target {self.name}")
        for layer, unit in units:
            check_unit(self.layers, layer, unit, self.name)
