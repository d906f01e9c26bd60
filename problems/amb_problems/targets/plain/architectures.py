"""Plain networks for small images, after AlexNet, VGG, ResNet and DenseNet, with torchvision's names.

They are narrower and shallower than their namesakes, whose first layers would leave nothing of 32x32 pixels, and all
have batch norm. Every rectifier is a module of its own, so that each can be probed: where torchvision uses one twice,
the second is called as its feature extraction calls it, `relu_1`.
"""

from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn


def _convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


def _rectified(inputs: int, outputs: int, *, pool: bool = False) -> list[nn.Module]:
    # Pooling first gives the same result for a rectifier, and everything after it handles a quarter of the values.
    pooling = [nn.MaxPool2d(2)] if pool else []
    return [_convolution(inputs, outputs), *pooling, nn.BatchNorm2d(outputs), nn.ReLU()]


class AlexNet(nn.Module):
    """Five convolutions, three poolings, two fully connected layers: `features.0` ... `classifier.3`."""

    def __init__(self, *, widths: tuple[int, ...] = (24, 64, 96, 64, 64), hidden: int = 128, classes: int = 10):
        super().__init__()
        first, second, third, fourth, fifth = widths
        self.features = nn.Sequential(
            *_rectified(3, first, pool=True),
            *_rectified(first, second, pool=True),
            *_rectified(second, third),
            *_rectified(third, fourth),
            *_rectified(fourth, fifth, pool=True),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(2)
        self.classifier = nn.Sequential(
            nn.Dropout(0.1), nn.Linear(4 * fifth, hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class VGG(nn.Module):
    """Stacks of 3x3 convolutions between poolings, after VGG-11 with batch norm: `features.0` ... `classifier`."""

    def __init__(
        self, *, widths: tuple[tuple[int, ...], ...] = ((24,), (48,), (80, 80), (128, 128)), classes: int = 10
    ):
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for stack in widths:
            for outputs in stack[:-1]:
                layers += _rectified(inputs, outputs)
                inputs = outputs
            layers += _rectified(inputs, stack[-1], pool=True)
            inputs = stack[-1]
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(2)
        self.classifier = nn.Linear(inputs * 4, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class BasicBlock(nn.Module):
    """ResNet's block: two 3x3 convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = _convolution(inputs, outputs, stride=stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.conv2 = _convolution(outputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(_convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
        self.relu_1 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu_1(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """ResNet-18's four stages behind a 3x3 stem and a 2x2 pooling: `conv1`, `layer1.0.conv1` ... `fc`.

    With the same width it is the spiking ResNet-18 in its rate relaxation.
    """

    def __init__(self, *, width: int = 32, blocks: tuple[int, ...] = (2, 2, 2, 2), classes: int = 10):
        super().__init__()
        self.conv1 = _convolution(3, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(2)
        inputs = width
        for stage, number in enumerate(blocks):
            outputs = width << stage
            strides = [2 if stage else 1] + [1] * (number - 1)
            made = [BasicBlock(outputs if i else inputs, outputs, stride) for i, stride in enumerate(strides)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*made))
            inputs = outputs
        self.stages = len(blocks)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in range(1, self.stages + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        return self.fc(self.avgpool(x).flatten(1))


class DenseLayer(nn.Module):
    """DenseNet's layer: a 1x1 and a 3x3 convolution of all maps so far; the `growth` new maps are appended to them."""

    def __init__(self, inputs: int, growth: int, bottleneck: int):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU()
        self.conv1 = _convolution(inputs, bottleneck * growth, 1)
        self.norm2 = nn.BatchNorm2d(bottleneck * growth)
        self.relu2 = nn.ReLU()
        self.conv2 = _convolution(bottleneck * growth, growth)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.relu1(self.norm1(x)))
        return torch.cat([x, self.conv2(self.relu2(self.norm2(y)))], 1)


class DenseNet(nn.Module):
    """Dense blocks with transitions that halve maps and channels: `features.conv0` ... `classifier`."""

    def __init__(
        self,
        *,
        stem: int = 24,
        growth: int = 16,
        bottleneck: int = 2,
        blocks: tuple[int, ...] = (3, 5, 5),
        classes: int = 10,
    ):
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["conv0"] = _convolution(3, stem)
        layers["pool0"] = nn.MaxPool2d(2)
        layers["norm0"] = nn.BatchNorm2d(stem)
        layers["relu0"] = nn.ReLU()
        width = stem
        for number, depth in enumerate(blocks, 1):
            dense = OrderedDict[str, nn.Module](
                (f"denselayer{i + 1}", DenseLayer(width + i * growth, growth, bottleneck)) for i in range(depth)
            )
            layers[f"denseblock{number}"] = nn.Sequential(dense)
            width += depth * growth
            if number < len(blocks):
                layers[f"transition{number}"] = nn.Sequential(
                    OrderedDict(
                        norm=nn.BatchNorm2d(width),
                        relu=nn.ReLU(),
                        conv=_convolution(width, width // 2, 1),
                        pool=nn.AvgPool2d(2),
                    )
                )
                width //= 2
        layers[f"norm{len(blocks) + 1}"] = nn.BatchNorm2d(width)
        layers[f"relu{len(blocks) + 1}"] = nn.ReLU()
        self.features = nn.Sequential(layers)
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


PLAIN_NETWORKS: Mapping[str, type[nn.Module]] = MappingProxyType(
    {"AlexNet": AlexNet, "VGG": VGG, "ResNet": ResNet, "DenseNet": DenseNet}
)
"""Networks by the name in model cards."""
