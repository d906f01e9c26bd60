"""Conversion of exact weights to the chain of stages that the engine runs."""

from collections.abc import Mapping

import torch

from amb.errors import CheckpointError, unknown
from amb_problems.engine.stages import Affine, Network, Neuron, Pool, Stage
from amb_problems.targets.spiking.exact import ExactLayer
from amb_problems.targets.spiking.exact_network import ExactNetwork


def network_of(exact: ExactNetwork) -> Network:
    """The stages of a spiking network, in the order of its spiking layers.

    Raises:
        CheckpointError: the weights are not exact, or the stages of this network class are not defined here.
    """
    if exact.network not in _STAGES:
        raise unknown("network of the engine", exact.network, _STAGES, CheckpointError)
    neuron = Neuron(exact.lif.decay, exact.lif.threshold, exact.lif.strict)
    side, _, channels = exact.shape
    return Network(_STAGES[exact.network](exact.weights), neuron, exact.frames, side, channels)


def _cnn(layers: Mapping[str, ExactLayer]) -> tuple[Stage, ...]:
    hidden = layers["fc1"]
    inputs = layers["conv2"].weight.shape[0]
    side = round((hidden.weight.shape[1] // inputs) ** 0.5)
    return (
        Stage("sn1", _affine(layers["conv1"]), pool=Pool(2, 2)),
        Stage("sn2", _affine(layers["conv2"]), pool=Pool(2, 2)),
        # A fully connected layer is a convolution that covers its whole input map.
        Stage("sn3", _affine(hidden, side=side)),
        Stage("out", _affine(layers["fc2"], side=1)),
    )


def _resnet18(layers: Mapping[str, ExactLayer]) -> tuple[Stage, ...]:
    has_cifar_stem = layers["conv1"].weight.shape[-1] == 3  # otherwise ImageNet's stem
    stem = _affine(layers["conv1"], padding=1) if has_cifar_stem else _affine(layers["conv1"], stride=2, padding=3)
    stages = [Stage("sn1", stem, spike_pool=Pool(2, 2) if has_cifar_stem else Pool(3, 2, 1))]
    for number in (1, 2, 3, 4):
        for block in (0, 1):
            name = f"layer{number}.{block}"
            stride = 2 if number > 1 and block == 0 else 1
            shortcut = stages[-1].name
            downsample = layers.get(f"{name}.downsample.0")
            stages += [
                Stage(f"{name}.sn1", _affine(layers[f"{name}.conv1"], stride=stride, padding=1)),
                Stage(
                    f"{name}.sn2",
                    _affine(layers[f"{name}.conv2"], padding=1),
                    shortcut=shortcut,
                    downsample=None if downsample is None else _affine(downsample, stride=stride),
                ),
            ]
    return tuple(stages)


_STAGES = {"SpikingCNN": _cnn, "SpikingResNet18": _resnet18}


def _affine(layer: ExactLayer, *, stride: int = 1, padding: int = 0, side: int = 0) -> Affine:
    weight = layer.weight
    if weight.ndim == 2:
        weight = weight.view(weight.shape[0], -1, side, side)
    scale = torch.ldexp(torch.ones(len(weight)), -(layer.shift.int() + layer.grid.bits))
    return Affine(weight, scale, layer.float_bias(), stride, padding)
