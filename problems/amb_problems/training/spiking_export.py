"""From a trained network to a shipped target: re-estimated statistics, exact weights, accuracy, model card."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from msgspec.structs import replace

from amb_problems import checkpoint
from amb_problems.cards import SpikingTargetCard
from amb_problems.data.image_sets import Dataset
from amb_problems.targets.scale import Scale
from amb_problems.targets.spiking.architectures import TargetNetwork
from amb_problems.targets.spiking.exact import make_exact, to_tensors
from amb_problems.targets.spiking.exact_network import READOUT, ExactNetwork, build_network, describe
from amb_problems.targets.spiking.lif import LIF, LIFNeuron
from amb_problems.training.classifier import reestimate


@dataclass(frozen=True)
class SpikingModel:
    """What a spiking target is: network, neuron, frames and readout.

    Attributes:
        network: class of the network, a key of `NETWORKS`.
        arguments: its keyword arguments.
        lif: the neuron.
        frames: number of frames for which an image is shown.
        readout: description of the score of a class, for the card.
    """

    network: str
    arguments: Mapping[str, object]
    lif: LIF
    frames: int
    readout: str


def export(
    network: TargetNetwork,
    model: SpikingModel,
    data: Dataset,
    path: Path,
    training: Mapping[str, object],
    *,
    sample: int = 2000,
    chunk: int = 100,
    tested: int | None = None,
) -> float:
    """Write the exact target and its card; returns its accuracy on the test half. Changes the statistics of `network`.

    Args:
        network: the trained network, with batch norm.
        model: the model that the network was trained as.
        data: the images; statistics are measured on the first `sample` training images.
        path: path of the checkpoint, without suffix; the file name becomes the target's name.
        training: the card's entry about the training.
        sample: training images for the statistics.
        chunk: images evaluated at once.
        tested: number of test images for the accuracy; None: all.
    """
    reestimate(network, torch.from_numpy(data.train_images[:sample]), model.frames, batch=chunk)
    layers = make_exact(network)
    folded = build_network(model.network, model.arguments, lambda: LIFNeuron(model.lif))
    card = SpikingTargetCard(
        network=model.network,
        arguments=model.arguments,
        lif=model.lif,
        frames=model.frames,
        readout=model.readout,
        reset="to zero" if model.lif.reset == "zero" else "the threshold is subtracted",
        fires="above the threshold" if model.lif.strict else "at the threshold",
        normalization="(u8 - 128) / 64",
        activation="spikes / (frames * positions)",
        weights="int8 times a power of two per output channel, biases int32 on the accumulator's grid",
        layers=describe(folded),
        classes=data.classes,
        data=data.source,
        training=training,
    )
    tensors = to_tensors(layers)
    checkpoint.save(path, tensors, card)
    target = ExactNetwork.load(path)
    images, labels = data.test_images[:tested], data.test_labels[:tested]
    scores = np.concatenate([target.class_scores(images[i : i + chunk]) for i in range(0, len(images), chunk)])
    accuracy = float((scores.argmax(1) == labels).mean())
    card = replace(card, metrics={"test accuracy": accuracy, "test images": len(images)})
    checkpoint.save(path, tensors, card)
    if READOUT in layers:
        add_readout(path, scores)
    return accuracy


def add_readout(path: Path, scores: npt.NDArray[np.float64]) -> None:
    """Make the class output of an exported target a layer: write its scale, from the `scores` of the test images."""
    tensors, card = checkpoint.load(path, SpikingTargetCard)
    activation = (
        f"{card.activation}; of `{READOUT}`: the output's mean over the frames, normalized: "
        f"0 is its mean, 1 its highest value over {len(scores)} test images"
    )
    card = replace(card, outputs={READOUT: (scores.shape[1], 1, 1)}, activation=activation)
    checkpoint.save(path, tensors | Scale.measured(scores).tensors(READOUT), card)
