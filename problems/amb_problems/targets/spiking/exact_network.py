"""A trained spiking network in exact integer weights, evaluated frame by frame.

This is the plain evaluation, one frame after the other through the whole network. Faster engines take their weights
from here and must give the same counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from amb.contracts.images import check_images
from amb.errors import CheckpointError, SpecError, unknown
from amb_problems import checkpoint
from amb_problems.cards import SpikingTargetCard
from amb_problems.targets.normalize import normalize
from amb_problems.targets.scale import Scale
from amb_problems.targets.spiking.architectures import Firing, NeuronFactory, TargetNetwork
from amb_problems.targets.spiking.exact import ExactLayer, from_tensors, layer_grids, load_weights
from amb_problems.targets.spiking.lif import LIF, LIFNeuron
from amb_problems.targets.spiking.networks import NETWORKS

UInt8Array = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

READOUT = "fc"
"""The class output that does not spike."""


@dataclass(frozen=True)
class LayerInfo:
    """A spiking layer: its units are the channels, each with a map of `height * width` neurons."""

    channels: int
    height: int
    width: int

    @property
    def positions(self) -> int:
        """Neurons of one unit."""
        return self.height * self.width


@dataclass(frozen=True)
class ExactNetwork:
    """A network whose units' spikes are counted, the same bits on any machine; made by `ExactNetwork.load`.

    Attributes:
        name: the checkpoint's name.
        network: class of the network, a key of `NETWORKS`.
        arguments: the network's own keyword arguments.
        lif: the neuron of every layer.
        frames: how many times the image is shown, from rest.
        shape: shape of the images, `(height, width, channels)`.
        layers: the spiking layers, shallow to deep.
        weights: the exact weights, by the name of the convolution or fully connected layer.
        scales: for the class output `fc`, if there is one, its units' responses to natural images.
        device: where the network runs.
    """

    name: str
    network: str
    arguments: Mapping[str, object]
    lif: LIF
    frames: int
    shape: tuple[int, int, int]
    layers: Mapping[str, LayerInfo]
    weights: Mapping[str, ExactLayer]
    scales: Mapping[str, Scale]
    device: torch.device

    @classmethod
    def load(cls, source: str | Path | checkpoint.Kept, *, device: str = "cpu") -> "ExactNetwork":
        """Read a shipped checkpoint by its name, another one by its path, or one whose card was read earlier.

        Raises:
            CheckpointError: it is missing, damaged, replaced since its card was read, or not a spiking target.
        """
        tensors, card = checkpoint.load(source, SpikingTargetCard)
        network, arguments, frames = card.network, dict(card.arguments), card.frames
        lif = LIF(card.lif.decay, card.lif.threshold, card.lif.strict, card.lif.reset)
        layers = {layer: LayerInfo(*shape) for layer, shape in card.layers.items()}
        with checkpoint.fitting(card):
            scales = {layer: Scale.of(tensors, layer, units=shape[0]) for layer, shape in card.outputs.items()}
            with torch.device("meta"):  # sizes only: a card may ask for any
                built = build_network(network, arguments, nn.Identity)
                found = describe(built)
            if list(found.items()) != list(card.layers.items()):
                raise ValueError(f"its layers are {dict(card.layers)}, those of its network {found}")
        weights = from_tensors(tensors, layer_grids(built), built)
        if card.outputs:
            classes = {READOUT: (len(weights[READOUT].weight), 1, 1)} if READOUT in weights else {}
            if dict(card.outputs) != classes:
                raise CheckpointError(
                    f"checkpoint {card.name!r} does not fit its card: its outputs are {dict(card.outputs)}, those of "
                    f"its network {classes or 'none'}"
                )
        shape = built.side, built.side, built.channels
        return cls(card.name, network, arguments, lif, frames, shape, layers, weights, scales, torch.device(device))

    def build(self, neuron: NeuronFactory) -> TargetNetwork:
        """The folded network with this target's weights, as float32, and any neurons."""
        network = build_network(self.network, self.arguments, neuron)
        load_weights(network, self.weights)
        return network.eval().to(self.device)

    def counts(self, images: UInt8Array, units: Mapping[str, Sequence[int] | IntArray]) -> dict[str, IntArray]:
        """Spikes of the units over all frames and positions, from rest.

        Args:
            images: uint8 `[n, *shape]`.
            units: the units' indices, by layer.

        Returns:
            By layer, int64 `[n, len(units)]`. Nothing deeper than the deepest of these layers is computed.

        Raises:
            SpecError: no such layer or unit, or images of a wrong shape or type.
        """
        chosen = {layer: self._units(layer, indices) for layer, indices in units.items()}
        x = self.input(images)
        totals = {
            layer: torch.zeros(len(images), len(index), dtype=torch.int64, device=self.device)
            for layer, index in chosen.items()
        }
        if not chosen:
            return {}
        deepest = max(chosen, key=list(self.layers).index)
        network = self.build(lambda: LIFNeuron(self.lif))
        with torch.inference_mode():
            for _ in range(self.frames):
                for firing in network.walk(x):
                    if firing.layer in chosen:
                        spikes = (
                            firing.spikes[:, chosen[firing.layer]].flatten(2)
                            if firing.spikes.ndim == 4
                            else (firing.spikes[:, chosen[firing.layer], None])
                        )
                        totals[firing.layer] += spikes.sum(2).to(torch.int64)
                    if firing.layer == deepest:
                        break
        return {layer: total.cpu().numpy() for layer, total in totals.items()}

    def class_scores(self, images: UInt8Array) -> FloatArray:
        """One score per class, `[n, classes]`: the readout's mean over the frames (spike rate, or `fc`'s output).

        Where the readout is spikes, the summed input currents break ties, as a share of less than one spike.
        """
        x = self.input(images)
        network = self.build(lambda: LIFNeuron(self.lif))
        total = torch.zeros(())
        currents = torch.zeros(())
        with torch.inference_mode():
            for _ in range(self.frames):
                *_, last = network.walk(x)
                readout = network.readout(last)
                total = total + readout.double()
                currents = currents + last.currents.double()
        scores = total.cpu().numpy()
        if readout is last.spikes:
            scores = scores + (np.arctan(currents.cpu().numpy()) / np.pi + 0.5) * 0.5
        return scores / self.frames

    def input(self, images: UInt8Array) -> Tensor:
        """Images uint8 `[n, *shape]` as the network sees them, on its device: see `normalize`."""
        check_images(images, self.shape, f"target {self.name}")
        return normalize(torch.from_numpy(np.ascontiguousarray(images)).to(self.device))

    def readouts(self, counts: IntArray) -> FloatArray:
        """The output of `fc`, averaged over the frames: float64 `[n, classes]`.

        The output is linear, so spikes may be summed over frames and positions first: in integers, hence exactly.

        Args:
            counts: spikes of all units of the last spiking layer, int64 `[n, units]`.
        """
        layer = self.weights[READOUT]
        assert layer.grid.peak == list(self.layers.values())[-1].positions
        total = torch.from_numpy(counts) @ layer.weight.long().T + self.frames * layer.bias.long()
        return (torch.ldexp(total.double(), -(layer.shift.int() + layer.grid.bits)) / self.frames).numpy()

    def _units(self, layer: str, indices: Sequence[int] | IntArray) -> Tensor:
        if layer not in self.layers:
            raise unknown("layer", layer, self.layers, of=self.name)
        index = np.asarray(indices, np.int64)
        channels = self.layers[layer].channels
        if index.ndim != 1 or (index < 0).any() or (index >= channels).any():
            raise SpecError(f"{self.name}/{layer} has units 0..{channels - 1}, got {list(indices)}")
        return torch.from_numpy(index).to(self.device)


def build_network(network: str, arguments: Mapping[str, object], neuron: NeuronFactory) -> TargetNetwork:
    """A folded network by its class's name.

    Raises:
        CheckpointError: no such class.
    """
    if network not in NETWORKS:
        raise unknown("network", network, NETWORKS, CheckpointError)
    with torch.random.fork_rng(devices=[]):  # first weights are drawn from torch's generator, which is the user's
        return NETWORKS[network](neuron, folded=True, **arguments).float()


def describe(network: TargetNetwork) -> dict[str, tuple[int, int, int]]:
    """Channels, height and width of every spiking layer, measured on a grey image; on the device "meta" at no cost."""

    def shape(firing: Firing) -> tuple[int, int, int]:
        channels, *plane = firing.spikes.shape[1:]
        height, width = plane or (1, 1)
        return channels, height, width

    grey = torch.zeros(1, network.channels, network.side, network.side, dtype=torch.float32)
    with torch.inference_mode(), _Sizes():
        return {firing.layer: shape(firing) for firing in network.eval().walk(grey)}


class _Sizes(TorchFunctionMode):
    """Convolutions, pools and sums of which the sizes alone are right.

    On the device "meta", torch answers them in Python that imports its compiler and sympy, for more than a second of
    every process.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is nn.functional.conv2d:
            maps, weight, _, stride, padding = args[:5]
            _compare(maps, weight)
            return _windows(maps, len(weight), weight.shape[2:], stride, padding)
        if func is nn.functional.max_pool2d:
            (maps, kernel), stride, padding = args, kwargs["stride"], kwargs["padding"]
            return _windows(maps, maps.shape[1], *((n, n) for n in (kernel, stride, padding)))
        if func is nn.functional.linear:
            rows, weight = args[:2]
            _compare(rows, weight)
            return rows.new_empty(len(rows), len(weight))
        if func is Tensor.add:
            one, other = args
            return one.new_empty(np.broadcast_shapes(one.shape, other.shape))
        return func(*args, **(kwargs or {}))


def _compare(inputs: Tensor, weight: Tensor) -> None:
    if inputs.shape[1] != weight.shape[1]:
        raise ValueError(f"weights {list(weight.shape)} do not fit {inputs.shape[1]} inputs")


def _windows(
    maps: Tensor, channels: int, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]
) -> Tensor:
    """A tensor of the size that a convolution or a pool makes of maps `[n, channels, height, width]`."""
    sides = [(s + 2 * p - k) // t + 1 for s, p, k, t in zip(maps.shape[2:], padding, kernel, stride, strict=True)]
    if min(sides) < 1:
        raise ValueError(f"windows of {list(kernel)} do not fit maps of {list(maps.shape[2:])}")
    return maps.new_empty(len(maps), channels, *sides)
