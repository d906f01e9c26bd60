"""ImageNet's AlexNet, VGG-16 and DenseNet-121 with torchvision's pretrained weights, which this machine downloads.

Needs the extra `imagenet` (`pip install amb[imagenet]`), and the network on first use. Images of a generator are
enlarged to 224 x 224 (bilinear). The activation is the channel's mean over its map, of the class output the logit, as
they are; `prob` is the class's softmax probability.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from torch import nn

from amb.errors import DataError, PluginError, unknown
from amb_problems.targets.plain.imagenet_layers import LAYERS
from amb_problems.targets.plain.module import PROBABILITY, ModuleTarget
from amb_problems.targets.plain.own import OwnTarget
from amb_problems.targets.plain.responses import Responses


@dataclass(frozen=True)
class _Model:
    """A function of `torchvision.models` and the name of its weights."""

    function: str
    weights: str


_MODELS: Mapping[str, _Model] = MappingProxyType(
    {
        "imagenet-alexnet": _Model("alexnet", "AlexNet_Weights.IMAGENET1K_V1"),
        "imagenet-vgg": _Model("vgg16", "VGG16_Weights.IMAGENET1K_V1"),
        "imagenet-densenet": _Model("densenet121", "DenseNet121_Weights.IMAGENET1K_V1"),
    }
)
_SIDE = 224


class ImageNetTarget(OwnTarget):
    """One of torchvision's networks; torchvision is imported, and the weights fetched, on first use.

    Raises:
        PluginError: torchvision is missing, or does not fit this torch (on first use).
        DataError: the weights cannot be downloaded (on first use).
    """

    def __init__(
        self, name: str, *, layer: str | None = None, device: str = "cpu", shape: tuple[int, int, int] = (32, 32, 3)
    ) -> None:
        if name not in _MODELS:
            raise unknown("network of ImageNet", name, _MODELS)
        super().__init__(
            lambda: pretrained(name),
            layer=layer,
            device=device,
            name=name,
            shape=shape,
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            size=None if shape[:2] == (_SIDE, _SIDE) else _SIDE,
        )
        if layer is not None and layer not in self.layers:
            raise unknown(f"layer of {name}", layer, self.layers)

    @property
    def layers(self) -> Mapping[str, int]:
        known = LAYERS[self.name]
        return {**known, PROBABILITY: known[list(known)[-1]]}

    @cached_property
    def measured(self) -> ModuleTarget:
        names = list(LAYERS[self.name])
        responses = Responses(self.module, prepare=self._prepare, shape=self._shape, device=self.device)
        return ModuleTarget(responses, layers=names, output=names[-1])

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the weights' name, which torchvision never gives to others."""
        return hashlib.sha256(f"torchvision {_MODELS[self.name].weights} {self._shape}".encode()).hexdigest()


def pretrained(name: str) -> nn.Module:
    """The network with its weights, downloaded once into torch's cache.

    Raises:
        PluginError: torchvision is missing, or does not fit this torch.
        DataError: the weights cannot be downloaded.
    """
    models, model = _torchvision_models(name), _MODELS[name]
    try:
        network = models.get_model(model.function, weights=model.weights)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"the weights of {name} could not be downloaded ({error}); it takes the network once, or their file in "
            "the folder `hub/checkpoints` of TORCH_HOME"
        ) from error
    assert isinstance(network, nn.Module)
    return network


def _torchvision_models(name: str) -> Any:
    try:
        from torchvision import models
    except ImportError as error:
        raise PluginError(f"{name} needs torchvision: pip install 'amb[imagenet]' ({error})") from error
    except Exception as error:  # a build for another torch fails with whatever its operators say
        import torch

        raise PluginError(
            f"{name} needs a torchvision that fits torch {torch.__version__}; the one installed cannot be imported "
            f"({error}): install both from one index"
        ) from error
    return models
