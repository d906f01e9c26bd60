"""The recipes of the spiking targets: model, data, phases of the training and its loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor, nn

from amb_problems.data import image_sets
from amb_problems.targets.softmax import RATE_SCALE
from amb_problems.targets.spiking.architectures import TargetNetwork
from amb_problems.targets.spiking.lif import LIF
from amb_problems.targets.spiking.surrogate import Relaxation
from amb_problems.training.classifier import SMOOTHING, ClassifierRecipe, Phase
from amb_problems.training.spiking_export import SpikingModel

SPIKES_OF_OUT = "number of spikes of `out`; currents break ties"
OUTPUT_OF_FC = "output of `fc`, mean over the frames"


def rate_loss(network: TargetNetwork, images: Tensor, labels: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the output neurons' spike rates and of their mean currents, so that silent neurons learn too.

    Rates lie in [0, 1]; the factor lets them tell ten classes apart. The scores are the rates, ties broken by currents.
    """
    *_, last = network.walk(images)
    currents, rates = (x.float().unflatten(0, (max(frames, 1), -1)).mean(0) for x in (last.currents, last.spikes))
    loss = nn.functional.cross_entropy(RATE_SCALE * currents, labels, label_smoothing=SMOOTHING)
    if frames:
        loss = loss + nn.functional.cross_entropy(RATE_SCALE * rates, labels, label_smoothing=SMOOTHING)
    return loss, (rates + 1e-3 * currents).detach()


def readout_loss(network: TargetNetwork, images: Tensor, labels: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the readout, averaged over the frames; the scores are that average."""
    scores = network(images).float().unflatten(0, (max(frames, 1), -1)).mean(0)
    return nn.functional.cross_entropy(scores, labels, label_smoothing=SMOOTHING), scores.detach()


@dataclass(frozen=True)
class SpikingRecipe:
    """A model, the images on which it is trained, the training settings, and the initial rate relaxation."""

    dataset: image_sets.DatasetName
    model: SpikingModel
    classifier: ClassifierRecipe
    relaxation: Relaxation = "relu"


def small(name: str, layers: str, lif: LIF, frames: int) -> tuple[str, SpikingRecipe]:
    """A small network of the suite `networks`, by its name: for digits if the name says so, else for CIFAR-10."""
    if name.startswith("digits-"):
        model = SpikingModel("SpikingStack", {"layers": layers, "channels": 1, "side": 28}, lif, frames, SPIKES_OF_OUT)
        classifier = ClassifierRecipe((Phase(0, 3, 0.05), Phase(4, 2, 0.03)), rate_loss, shift=2, mirror=False)
        return name, SpikingRecipe("mnist", model, classifier, relaxation="clipped")
    model = SpikingModel("SpikingStack", {"layers": layers}, lif, frames, SPIKES_OF_OUT)
    classifier = ClassifierRecipe((Phase(0, 6, 0.05), Phase(4, 2, 0.03)), rate_loss)
    return name, SpikingRecipe("cifar10", model, classifier, relaxation="clipped")


SMALL_RECIPES: Mapping[str, SpikingRecipe] = MappingProxyType(
    dict(
        (
            small("small-max-a", "16C5-MP2-24C3-MP2-40", LIF(0.9, strict=True), 20),
            small("small-max-b", "12C3-MP2-24C3-MP2-32C3-MP2", LIF(0.8), 16),
            small("small-mean-a", "16C3-AP2-24C3-AP2-32C3-AP2", LIF(1.0, reset="subtract"), 24),
            small("small-mean-b", "12C5-AP2-20C3-AP2-40", LIF(0.95), 12),
            small("small-stride-a", "16C3S2-24C3S2-32C3S2-64", LIF(1.0), 12),
            small("small-stride-b", "24C5S2-32C3S2-32C3", LIF(0.75, strict=True), 30),
            small("small-vgg-a", "8C3-8C3-MP2-16C3-16C3-MP2-32C3-32C3-MP2", LIF(0.9, reset="subtract"), 16),
            small("small-vgg-b", "12C3-MP2-20C3-20C3-MP2-32C3-32C3-MP2-48", LIF(1.0), 20),
            small("small-resnet-a", "12C3-MP2-12R3-24R3S2-32R3S2", LIF(0.9), 12),
            small("small-resnet-b", "16C3S2-16R3-32R3S2", LIF(1.0, reset="subtract"), 16),
            small("small-patch-a", "48C4S4-48C1-MP2-64", LIF(0.9, reset="subtract"), 10),
            small("small-patch-b", "64C8S8-64C1-64", LIF(0.5, strict=True), 25),
            small("digits-cnn-a", "12C5-MP2-24C3-MP2-32", LIF(0.9, reset="subtract"), 20),
            small("digits-cnn-b", "16C3S2-24C3S2-24C3S2", LIF(0.8, strict=True), 30),
            small("digits-mlp-a", "96-64", LIF(1.0, reset="subtract"), 32),
            small("digits-mlp-b", "64-64-48", LIF(0.95), 20),
        )
    )
)
"""Recipes of the networks of the suite `networks`: two of each kind, with different sizes, neurons and frames."""

RECIPES: Mapping[str, SpikingRecipe] = MappingProxyType(
    {
        "snn-cnn": SpikingRecipe(
            "cifar10",
            SpikingModel(
                "SpikingCNN",
                {"widths": (64, 64)},
                LIF(strict=True),
                100,
                SPIKES_OF_OUT,
            ),
            ClassifierRecipe((Phase(0, 12, 0.03), Phase(5, 6, 0.03)), rate_loss),
            relaxation="clipped",
        ),
        "mnist-snn": SpikingRecipe(
            "mnist",
            SpikingModel(
                "SpikingCNN",
                {"widths": (16, 32), "channels": 1, "side": 28},
                LIF(strict=True),
                50,
                SPIKES_OF_OUT,
            ),
            ClassifierRecipe((Phase(0, 3, 0.05), Phase(5, 3, 0.03)), rate_loss, shift=2, mirror=False),
        ),
        "snn-resnet18": SpikingRecipe(
            "cifar10",
            SpikingModel("SpikingResNet18", {"width": 32}, LIF(), 20, OUTPUT_OF_FC),
            ClassifierRecipe(
                (Phase(0, 10, 0.2), Phase(2, 3, 0.06), Phase(2, 6, 0.08), Phase(4, 2, 0.03)), readout_loss
            ),
        ),
        "snn-resnet18-paper": SpikingRecipe(
            "cifar10",
            SpikingModel(
                "SpikingResNet18",
                {"width": 32, "stem": "imagenet"},
                LIF(),
                20,
                OUTPUT_OF_FC,
            ),
            ClassifierRecipe((Phase(0, 14, 0.2), Phase(2, 8, 0.08), Phase(4, 3, 0.03)), readout_loss),
        ),
        **SMALL_RECIPES,
    }
)
"""Recipes by checkpoint name. To train a network longer, append a phase and resume."""
