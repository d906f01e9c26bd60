"""From a trained network to a shipped target: statistics measured anew, weights made exact, accuracy, model card."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from amb_problems import checkpoint
from amb_problems.data import Dataset
from amb_problems.targets.exact import make_exact, to_tensors
from amb_problems.targets.lif import LIF, LIFNeuron
from amb_problems.targets.networks import TargetNetwork
from amb_problems.targets.target import SpikingTarget, build_network, describe

from .classifier import reestimate


@dataclass(frozen=True)
class TargetFacts:
    """What a target's card says so that it can be built again.

    Attributes:
        network: class of the network.
        arguments: its keyword arguments.
        lif: the neuron.
        frames: how often an image is shown.
        readout: what a class's score is, in words.
    """

    network: str
    arguments: Mapping[str, object]
    lif: LIF
    frames: int
    readout: str


def export(
    network: TargetNetwork,
    facts: TargetFacts,
    data: Dataset,
    path: Path,
    training: Mapping[str, object],
    *,
    sample: int = 2000,
    chunk: int = 100,
    tested: int | None = None,
) -> float:
    """Write the exact target and its card; returns its accuracy on the test half. `network` is left re-estimated.

    Args:
        network: trained, with batch norm.
        facts: how the target is built.
        data: the images; statistics are measured on the first `sample` training images.
        path: of the checkpoint, without suffix; the file's name is the target's.
        training: what the card says about the training.
        sample: training images for the statistics.
        chunk: images evaluated at once.
        tested: test images for the accuracy, from the first; None: all.
    """
    reestimate(network, torch.from_numpy(data.train_images[:sample]), facts.frames, batch=chunk)
    layers = make_exact(network)
    folded = build_network(facts.network, facts.arguments, lambda: LIFNeuron(facts.lif))
    card: dict[str, object] = {
        "kind": "spiking target",
        **asdict(facts),
        "reset": "to zero",
        "fires": "above the threshold" if facts.lif.strict else "at the threshold",
        "normalization": "(u8 - 128) / 64",
        "activation": "spikes / (frames * positions)",
        "weights": "int8 times a power of two per output channel, biases int32 on the accumulator's grid",
        "layers": describe(folded),
        "classes": data.classes,
        "data": data.source,
        "training": dict(training),
    }
    checkpoint.save(path, to_tensors(layers), card)
    target = SpikingTarget.load(path)
    images, labels = data.test_images[:tested], data.test_labels[:tested]
    right = sum(
        int((target.class_scores(images[i : i + chunk]).argmax(1) == labels[i : i + chunk]).sum())
        for i in range(0, len(images), chunk)
    )
    accuracy = right / len(images)
    card["metrics"] = {"test accuracy": accuracy, "test images": len(images)}
    checkpoint.save(path, to_tensors(layers), card)
    return accuracy
