"""The layers of torchvision's AlexNet, VGG-16 and DenseNet-121, written down: listing them needs no torchvision."""

from collections.abc import Mapping
from types import MappingProxyType

_CLASSES = 1000


def _alexnet() -> dict[str, int]:
    layers: dict[str, int] = {}
    for index, width in ((0, 64), (3, 192), (6, 384), (8, 256), (10, 256)):
        layers |= {f"features.{index}": width, f"features.{index + 1}": width}
    return layers | {f"classifier.{index}": 4096 for index in (1, 2, 4, 5)} | {"classifier.6": _CLASSES}


def _vgg16() -> dict[str, int]:
    layers: dict[str, int] = {}
    index = 0
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers |= {f"features.{index}": width, f"features.{index + 1}": width}
            index += 2
        index += 1  # the pooling
    return layers | {f"classifier.{index}": 4096 for index in (0, 1, 3, 4)} | {"classifier.6": _CLASSES}


def _densenet121() -> dict[str, int]:
    layers = {"features.conv0": 64, "features.relu0": 64}
    width, growth = 64, 32
    for block, depth in enumerate((6, 12, 24, 16), 1):
        for number in range(1, depth + 1):
            name = f"features.denseblock{block}.denselayer{number}"
            layers |= {f"{name}.relu1": width, f"{name}.conv1": 4 * growth}
            layers |= {f"{name}.relu2": 4 * growth, f"{name}.conv2": growth}
            width += growth
        if block < 4:
            layers |= {f"features.transition{block}.relu": width, f"features.transition{block}.conv": width // 2}
            width //= 2
    return layers | {"classifier": _CLASSES}


LAYERS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {"imagenet-alexnet": _alexnet(), "imagenet-vgg": _vgg16(), "imagenet-densenet": _densenet121()}
)
"""Units of every convolution, rectifier and fully connected layer, in order; the last one is the class output."""
