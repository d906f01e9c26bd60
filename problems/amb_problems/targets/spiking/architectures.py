"""The target networks: their connections, with the neuron model left open.

The same module serves training (surrogate neurons, batch norm), the exact network (batch norm folded into the
convolutions) and the framework's own forward pass (snnTorch's or SpikingJelly's neurons, one frame per call).
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, cast

from torch import Tensor, nn

NeuronFactory = Callable[[], nn.Module]


@dataclass(frozen=True)
class Firing:
    """The currents and spikes of one spiking layer in one call."""

    layer: str
    currents: Tensor
    spikes: Tensor


class TargetNetwork(nn.Module):
    """A feed-forward network of spiking layers, input `[n, channels, side, side]`.

    `walk` visits the spiking layers in order and computes each on demand; `readout` turns the
    last layer's firing into one value per class.
    """

    channels = 3
    side = 32
    linear_norms: Mapping[str, str] = MappingProxyType({})
    """The batch norm behind each fully connected layer that has one; a convolution's follows from its name."""
    averaged: frozenset[str] = frozenset()
    """Convolutions whose currents are averaged over windows of 2x2."""

    @abstractmethod
    def walk(self, x: Tensor) -> Iterator[Firing]:
        """The firing of every spiking layer, shallow to deep, each computed when it is asked for."""

    @abstractmethod
    def readout(self, last: Firing) -> Tensor:
        """Class scores `[n, classes]` of one frame, from the deepest spiking layer."""

    def forward(self, x: Tensor) -> Tensor:
        *_, last = self.walk(x)
        return self.readout(last)


class SpikingCNN(TargetNetwork):
    """snnTorch's convolutional network: two convolutions, two fully connected layers, four spiking layers.

    Maps for a side of 32: `sn1` 14x14, `sn2` 5x5 (for 28: 12x12 and 4x4); `sn3` has `hidden` units, `out` one per
    class, and its spikes are the readout. With `folded` the layers have biases and there is no batch norm.
    """

    def __init__(
        self,
        neuron: NeuronFactory,
        *,
        widths: tuple[int, int] = (64, 64),
        hidden: int = 100,
        classes: int = 10,
        channels: int = 3,
        side: int = 32,
        folded: bool = False,
    ):
        super().__init__()
        self.channels, self.side = channels, side
        self.linear_norms = {"fc1": "bn3"}
        first, second = widths
        last = ((side - 4) // 2 - 4) // 2
        self.conv1 = nn.Conv2d(channels, first, 5, bias=folded)
        self.bn1 = _norm(first, folded)
        self.sn1 = neuron()
        self.conv2 = nn.Conv2d(first, second, 5, bias=folded)
        self.bn2 = _norm(second, folded)
        self.sn2 = neuron()
        self.fc1 = nn.Linear(second * last**2, hidden, bias=folded)
        self.bn3 = nn.Identity() if folded else nn.BatchNorm1d(hidden)
        self.sn3 = neuron()
        self.fc2 = nn.Linear(hidden, classes)
        self.out = neuron()
        self.maxpool = nn.MaxPool2d(2)

    def walk(self, x: Tensor) -> Iterator[Firing]:
        currents = self.maxpool(self.bn1(self.conv1(x)))
        spikes = self.sn1(currents)
        yield Firing("sn1", currents, spikes)
        currents = self.maxpool(self.bn2(self.conv2(spikes)))
        spikes = self.sn2(currents)
        yield Firing("sn2", currents, spikes)
        currents = self.bn3(self.fc1(spikes.flatten(1)))
        spikes = self.sn3(currents)
        yield Firing("sn3", currents, spikes)
        currents = self.fc2(spikes)
        yield Firing("out", currents, self.out(currents))

    def readout(self, last: Firing) -> Tensor:
        return last.spikes


class BasicBlock(nn.Module):
    """A residual block whose output neurons receive the sum of both branches, so that only spikes are passed on."""

    def __init__(self, neuron: NeuronFactory, inputs: int, outputs: int, stride: int, *, folded: bool):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=folded)
        self.bn1 = _norm(outputs, folded)
        self.sn1 = neuron()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=folded)
        self.bn2 = _norm(outputs, folded)
        self.sn2 = neuron()
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            convolution = nn.Conv2d(inputs, outputs, 1, stride, bias=folded)
            self.downsample = nn.Sequential(convolution, _norm(outputs, folded))

    def walk(self, x: Tensor) -> Iterator[Firing]:
        """The firing of `sn1`, then of `sn2`."""
        currents = self.bn1(self.conv1(x))
        spikes = self.sn1(currents)
        yield Firing("sn1", currents, spikes)
        identity = x if self.downsample is None else self.downsample(x)
        currents = self.bn2(self.conv2(spikes)) + identity
        yield Firing("sn2", currents, self.sn2(currents))


class SpikingResNet18(TargetNetwork):
    """SpikingJelly's spiking ResNet-18. Names are SpikingJelly's and torchvision's.

    The stem is the one for small images, a 3x3 convolution, `sn1`, 2x2 max pooling, or that of ImageNet, as in the
    package: a 7x7 convolution and a 3x3 pooling, both with stride 2. Maps of `sn1` and of the four layers: 32x32,
    16x16, 8x8, 4x4, 2x2; after ImageNet's stem 16x16, 8x8, 4x4, 2x2, 1x1. The readout is `fc` of the last spikes,
    averaged over their map.
    """

    def __init__(
        self,
        neuron: NeuronFactory,
        *,
        width: int = 32,
        classes: int = 10,
        stem: Literal["small", "imagenet"] = "small",
        folded: bool = False,
    ):
        super().__init__()
        small = stem == "small"
        self.last_map = 4 if small else 1  # positions
        kernel, stride, padding = (3, 1, 1) if small else (7, 2, 3)
        self.conv1 = nn.Conv2d(3, width, kernel, stride, padding, bias=folded)
        self.bn1 = _norm(width, folded)
        self.sn1 = neuron()
        self.maxpool = nn.MaxPool2d(2) if small else nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(neuron, width, width, 1, folded)
        self.layer2 = _stage(neuron, width, 2 * width, 2, folded)
        self.layer3 = _stage(neuron, 2 * width, 4 * width, 2, folded)
        self.layer4 = _stage(neuron, 4 * width, 8 * width, 2, folded)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8 * width, classes)

    def walk(self, x: Tensor) -> Iterator[Firing]:
        currents = self.bn1(self.conv1(x))
        spikes = self.sn1(currents)
        yield Firing("sn1", currents, spikes)
        spikes = self.maxpool(spikes)
        for stage in ("layer1", "layer2", "layer3", "layer4"):
            for name, block in self.get_submodule(stage).named_children():
                for firing in cast(BasicBlock, block).walk(spikes):
                    yield Firing(f"{stage}.{name}.{firing.layer}", firing.currents, firing.spikes)
                spikes = firing.spikes

    def readout(self, last: Firing) -> Tensor:
        return self.fc(self.avgpool(last.spikes).flatten(1))


def _norm(channels: int, folded: bool) -> nn.Module:
    return nn.Identity() if folded else nn.BatchNorm2d(channels)


def _stage(neuron: NeuronFactory, inputs: int, outputs: int, stride: int, folded: bool) -> nn.Sequential:
    return nn.Sequential(
        BasicBlock(neuron, inputs, outputs, stride, folded=folded),
        BasicBlock(neuron, outputs, outputs, 1, folded=folded),
    )
