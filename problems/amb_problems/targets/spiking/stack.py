"""Small networks written in the field's short notation, such as `16C5-MP2-32C3-MP2-64`: architectures as data."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast

from torch import Tensor, nn

from amb_problems.cards import LARGEST_DEPTH
from amb_problems.targets.spiking.architectures import BasicBlock, Firing, NeuronFactory, TargetNetwork

Kind = Literal["convolution", "block", "linear"]
Pooling = Literal["max", "mean"]

_LAYER = re.compile(r"(?P<units>\d+)(?:(?P<kind>[CR])(?P<kernel>\d+)(?:S(?P<stride>\d+))?)?")
_KINDS: Mapping[str | None, Kind] = {"C": "convolution", "R": "block", None: "linear"}
_POOLING: Mapping[str, Pooling] = {"MP2": "max", "AP2": "mean"}


@dataclass(frozen=True)
class Layer:
    """One layer of the notation, or one residual block of two spiking layers."""

    kind: Kind
    units: int
    kernel: int = 0
    stride: int = 1
    pooling: Pooling | None = None
    """Pooling of the layer's currents over windows of 2x2."""

    @property
    def padding(self) -> int:
        """Zeros at each border: maps keep their size, and patches (a stride as long as the kernel) have none."""
        return (self.kernel - 1) // 2 if self.stride < self.kernel else 0

    def output_side(self, side: int) -> int:
        """Side of the map of neurons for a square input map."""
        if self.kind == "linear":
            return 1
        side = (side + 2 * self.padding - self.kernel) // self.stride + 1
        return side // 2 if self.pooling else side


def parse_layers(notation: str) -> tuple[Layer, ...]:
    """The layers of a notation.

    Parts are joined by "-": `16C5` is a convolution with 16 channels and kernels of 5x5, `16C3S2` one with stride 2,
    `16R3S2` a residual block with 16 channels, 3x3 kernels and stride 2, and `64` a fully connected layer of 64 units.
    `MP2` or `AP2` after a convolution pools its currents, before the neurons, over windows of 2x2.

    Raises:
        ValueError: the notation cannot be read.
    """
    layers: list[Layer] = []
    if (number := notation.count("-") + 1) > LARGEST_DEPTH:
        raise ValueError(f"layers {notation!r:.80}: expected at most {LARGEST_DEPTH} parts, got {number:,}")
    for part in notation.split("-"):
        if part in _POOLING:
            if not layers or layers[-1].kind != "convolution" or layers[-1].pooling:
                raise ValueError(f"layers {notation!r}: {part} must follow a convolution")
            if part == "AP2" and layers[-1].stride > 1:
                raise ValueError(f"layers {notation!r}: AP2 follows a convolution with stride 1")
            layers[-1] = replace(layers[-1], pooling=_POOLING[part])
            continue
        match = _LAYER.fullmatch(part)
        if match is None:
            expected = "parts such as 16C5, 16C3S2, 16R3, MP2, AP2 or 64"
            raise ValueError(f"layers {notation!r}: expected {expected}, got {part!r}")
        units, kernel, stride = int(match["units"]), int(match["kernel"] or 0), int(match["stride"] or 1)
        kind = _KINDS[match["kind"]]
        if kind == "block" and (kernel != 3 or not layers):
            raise ValueError(f"layers {notation!r}: a residual block has kernels of 3x3 and is not the first layer")
        if kind != "linear" and layers and layers[-1].kind == "linear":
            raise ValueError(f"layers {notation!r}: nothing but fully connected layers follows one")
        layers.append(Layer(kind, units, kernel, stride))
    return tuple(layers)


class SpikingStack(TargetNetwork):
    """A chain of spiking layers in the notation of `parse_layers`, and a spiking class output `out`.

    Spiking layers are `sn1`, `sn2` … by their place in the notation, those of a residual block in place 3 `block3.sn1`
    and `block3.sn2`. The readout is the spikes of `out`. A fully connected first layer is a convolution whose kernel is
    the image. Mean pooling is linear: a `folded` network has it, like the batch norm, in the weights of a convolution
    with stride 2 and a kernel longer by 1 (see `exact.fold_mean`).
    """

    def __init__(
        self,
        neuron: NeuronFactory,
        *,
        layers: str,
        classes: int = 10,
        channels: int = 3,
        side: int = 32,
        folded: bool = False,
    ):
        super().__init__()
        self.channels, self.side = channels, side
        first, *others = parse_layers(layers)
        if first.kind == "linear":
            first = Layer("convolution", first.units, side, side)
        self.layers = (first, *others)
        self.linear_norms, averaged, inputs = {}, set(), channels
        for place, layer in enumerate(self.layers, 1):
            if layer.kind == "block":
                self.add_module(f"block{place}", BasicBlock(neuron, inputs, layer.units, layer.stride, folded=folded))
            elif layer.kind == "convolution":
                self.add_module(f"conv{place}", _convolution(inputs, layer, folded))
                self.add_module(f"bn{place}", nn.Identity() if folded else nn.BatchNorm2d(layer.units))
                self.add_module(f"pool{place}", _pooling(layer, folded))
                self.add_module(f"sn{place}", neuron())
                averaged |= {f"conv{place}"} if layer.pooling == "mean" else set()
            else:
                self.add_module(f"fc{place}", nn.Linear(inputs * side**2, layer.units, bias=folded))
                self.add_module(f"bn{place}", nn.Identity() if folded else nn.BatchNorm1d(layer.units))
                self.add_module(f"sn{place}", neuron())
                self.linear_norms[f"fc{place}"] = f"bn{place}"
            inputs, side = layer.units, layer.output_side(side)
        self.averaged = frozenset(averaged)
        self.readout_layer = f"fc{len(self.layers) + 1}"
        self.add_module(self.readout_layer, nn.Linear(inputs * side**2, classes))
        self.out = neuron()

    def walk(self, x: Tensor) -> Iterator[Firing]:
        spikes = x
        for place, layer in enumerate(self.layers, 1):
            if layer.kind == "block":
                for firing in cast(BasicBlock, self.get_submodule(f"block{place}")).walk(spikes):
                    yield Firing(f"block{place}.{firing.layer}", firing.currents, firing.spikes)
                spikes = firing.spikes
                continue
            if layer.kind == "linear":
                currents = self.get_submodule(f"bn{place}")(self.get_submodule(f"fc{place}")(spikes.flatten(1)))
            else:
                currents = self.get_submodule(f"bn{place}")(self.get_submodule(f"conv{place}")(spikes))
                currents = self.get_submodule(f"pool{place}")(currents)
            spikes = self.get_submodule(f"sn{place}")(currents)
            yield Firing(f"sn{place}", currents, spikes)
        currents = self.get_submodule(self.readout_layer)(spikes.flatten(1))
        yield Firing("out", currents, self.out(currents))

    def readout(self, last: Firing) -> Tensor:
        return last.spikes


def _convolution(inputs: int, layer: Layer, folded: bool) -> nn.Conv2d:
    if folded and layer.pooling == "mean":
        return nn.Conv2d(inputs, layer.units, layer.kernel + 1, 2 * layer.stride, layer.padding)
    return nn.Conv2d(inputs, layer.units, layer.kernel, layer.stride, layer.padding, bias=folded)


def _pooling(layer: Layer, folded: bool) -> nn.Module:
    if layer.pooling == "max":
        return nn.MaxPool2d(2)
    return nn.AvgPool2d(2) if layer.pooling == "mean" and not folded else nn.Identity()
