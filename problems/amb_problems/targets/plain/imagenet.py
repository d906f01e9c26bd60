"""ImageNet's AlexNet, VGG-16 and DenseNet-121 with torchvision's pretrained weights, which this machine downloads.

Needs the extra `imagenet` (`pip install amb[imagenet]`), and internet access on first use. Images of a generator are
enlarged to 224 x 224 (bilinear). The activation is the channel's raw mean over its map, for the class output the logit;
`prob` is the class's softmax probability.
"""

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from amb.contracts.images import Shape
from amb.errors import DataError, PluginError, unknown
from amb_problems.targets.plain.imagenet_layers import LAYERS
from amb_problems.targets.plain.module import PROBABILITY
from amb_problems.targets.plain.own import OwnTarget

if TYPE_CHECKING:  # targets are listed without torch
    from torch import nn

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

    def __init__(self, name: str, *, device: str = "cpu", shape: Shape = (32, 32, 3)) -> None:
        if name not in _MODELS:
            raise unknown("network of ImageNet", name, _MODELS)
        super().__init__(
            lambda: pretrained(name),
            device=device,
            name=name,
            shape=shape,
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            size=None if shape[:2] == (_SIDE, _SIDE) else _SIDE,
        )
        self.output = list(LAYERS[name])[-1]
        self.activation += f"; of `{self.output}` the logit, of `{PROBABILITY}` its softmax"

    @property
    def layers(self) -> Mapping[str, int]:
        """Units of every layer, known without loading the network, and of `prob`."""
        known = LAYERS[self.name]
        return {**known, PROBABILITY: known[list(known)[-1]]}

    @property
    def fingerprint(self) -> str:  # type: ignore[override]
        """A hash of the weights' name, which torchvision never reuses."""
        return hashlib.sha256(f"torchvision {_MODELS[self.name].weights} {self.shape}".encode()).hexdigest()

    def facts(self) -> Mapping[str, object]:
        """Network, weights, and how images are converted to its input."""
        model = _MODELS[self.name]
        return {"network": f"torchvision's {model.function}", "weights": model.weights, **self._input_facts()}

    def _load(self) -> "nn.Module":
        return pretrained(self.name)

    def _examine(self) -> "Responses":
        """The network as it is; it sees one image at a time."""
        from amb_problems.targets.plain.responses import Responses

        return Responses.of_shipped(
            copy.deepcopy(self.module), prepare=self._prepare, shape=self.shape, device=self.device, name=self.name
        )

    def _offered(self, responses: "Responses") -> Mapping[str, int]:
        return self.layers


def pretrained(name: str) -> "nn.Module":
    """The network with its weights, downloaded once into torch's cache.

    Raises:
        PluginError: torchvision is missing, or does not fit this torch.
        DataError: the weights cannot be downloaded.
    """
    from torch import nn

    models, model = _torchvision_models(name), _MODELS[name]
    try:
        network = models.get_model(model.function, weights=model.weights)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"the weights of {name} could not be downloaded ({error}); connect to the network once, or put their "
            "file into the folder `hub/checkpoints` of TORCH_HOME"
        ) from error
    assert isinstance(network, nn.Module)
    return network


def _torchvision_models(name: str) -> Any:
    try:
        from torchvision import models
    except ImportError as error:
        raise PluginError(f"{name} needs torchvision: pip install 'amb[imagenet]' ({error})") from error
    except Exception as error:  # a build for a different torch fails with an error of its operators
        import torch

        raise PluginError(
            f"{name} needs a torchvision that fits torch {torch.__version__}; the one installed cannot be imported "
            f"({error}): install both from one index"
        ) from error
    return models
