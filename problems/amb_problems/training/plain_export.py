"""From a trained plain network to a shipped target: rounded weights, scales of the units, accuracy, model card."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from amb_problems import checkpoint
from amb_problems.cards import LayerShape, PlainTargetCard
from amb_problems.data.image_sets import Dataset
from amb_problems.targets.normalize import normalize
from amb_problems.targets.plain.module import PROBABILITY
from amb_problems.targets.plain.responses import Responses
from amb_problems.targets.scale import Scale


def export(
    network: nn.Module,
    kind: str,
    arguments: Mapping[str, object],
    data: Dataset,
    path: Path,
    training: Mapping[str, object],
) -> float:
    """Write the target and its card; returns its accuracy on the test half. `network` is rounded in place.

    Args:
        network: the trained network.
        kind: its class, a key of `PLAIN_NETWORKS`.
        arguments: the keyword arguments of that class.
        data: the images, whose test half gives accuracy and scales.
        path: path of the checkpoint, without suffix; the file name becomes the target's name.
        training: the card's entry about the training.
    """
    rounded = {name: _rounded(tensor) for name, tensor in network.state_dict().items()}
    network.load_state_dict(
        {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in rounded.items()}
    )
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    responses = Responses.of_shipped(network, prepare=normalize)
    layers = probed_layers(network, responses)
    output = layers[-1]
    means = responses.means(data.test_images, layers)
    accuracy = float((means[output].argmax(1) == data.test_labels).mean())
    scales = {
        name: tensor for layer, mean in means.items() for name, tensor in Scale.measured(mean).tensors(layer).items()
    }
    shapes = {layer: _map(responses.shapes[layer]) for layer in layers}
    card = PlainTargetCard(
        network=kind,
        arguments=arguments,
        output=output,
        normalization="(u8 - 128) / 64",
        activation=(
            "mean of the channel over its map (class output: the logit), normalized: 0 is its mean, 1 its highest "
            f"value over the {len(data.test_images)} test images; `{PROBABILITY}`: softmax of the class output"
        ),
        weights="float16 convolutions and fully connected layers, float32 batch norms; computed in float32",
        layers=shapes,
        outputs={PROBABILITY: shapes[output]},
        classes=data.classes,
        data=data.source,
        training=training,
        metrics={"test accuracy": accuracy, "test images": len(data.test_images)},
    )
    checkpoint.save(path, rounded | scales, card)
    return accuracy


def probed_layers(network: nn.Module, responses: Responses) -> list[str]:
    """Every convolution, rectifier and fully connected layer in the order of the forward pass; the output is last."""
    kinds = (nn.Conv2d, nn.ReLU, nn.Linear)
    return [layer for layer in responses.layers if isinstance(network.get_submodule(layer), kinds)]


def _rounded(tensor: Tensor) -> Tensor:
    """Weights in half precision; vectors (batch norms, biases) and counters unchanged."""
    return tensor.half() if tensor.ndim > 1 else tensor


def _map(shape: tuple[int, ...]) -> LayerShape:
    channels, height, width = (*shape, 1, 1)[:3]
    return channels, height, width
