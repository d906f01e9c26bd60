"""Conversion of exact weights to the chain of stages that the engine runs."""

from collections.abc import Mapping

import torch
from torch import nn

from amb.errors import CheckpointError, unknown
from amb_problems.engine.stages import Affine, Network, Neuron, Pool, Stage
from amb_problems.targets.spiking.exact import ExactLayer
from amb_problems.targets.spiking.exact_network import ExactNetwork, build_network
from amb_problems.targets.spiking.stack import SpikingStack


def network_of(exact: ExactNetwork) -> Network:
    """The stages of a spiking network, in the order of its spiking layers.

    Raises:
        CheckpointError: the weights are not exact, or the stages of this network class are not defined here.
    """
    if exact.network not in _STAGES:
        raise unknown("network of the engine", exact.network, _STAGES, CheckpointError)
    neuron = Neuron(exact.lif.decay, exact.lif.threshold, exact.lif.strict, exact.lif.reset)
    side, _, channels = exact.shape
    return Network(_STAGES[exact.network](exact), neuron, exact.frames, side, channels)


def _cnn(exact: ExactNetwork) -> tuple[Stage, ...]:
    layers = exact.weights
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


def _resnet18(exact: ExactNetwork) -> tuple[Stage, ...]:
    layers = exact.weights
    has_cifar_stem = layers["conv1"].weight.shape[-1] == 3  # otherwise ImageNet's stem
    stem = _affine(layers["conv1"], padding=1) if has_cifar_stem else _affine(layers["conv1"], stride=2, padding=3)
    stages = [Stage("sn1", stem, spike_pool=Pool(2, 2) if has_cifar_stem else Pool(3, 2, 1))]
    for number in (1, 2, 3, 4):
        for block in (0, 1):
            stride = 2 if number > 1 and block == 0 else 1
            stages += _block(layers, f"layer{number}.{block}", stride, shortcut=stages[-1].name)
    return tuple(stages)


def _stack(exact: ExactNetwork) -> tuple[Stage, ...]:
    weights, stages, side = exact.weights, list[Stage](), exact.shape[0]
    network = build_network(exact.network, exact.arguments, nn.Identity)
    assert isinstance(network, SpikingStack)
    for place, layer in enumerate(network.layers, 1):
        if layer.kind == "block":
            stages += _block(weights, f"block{place}", layer.stride, shortcut=stages[-1].name)
        elif layer.kind == "convolution":
            stride = 2 * layer.stride if layer.pooling == "mean" else layer.stride
            convolution = _affine(weights[f"conv{place}"], stride=stride, padding=layer.padding)
            stages.append(Stage(f"sn{place}", convolution, pool=Pool(2, 2) if layer.pooling == "max" else None))
        else:
            stages.append(Stage(f"sn{place}", _affine(weights[f"fc{place}"], side=side)))
        side = layer.output_side(side)
    return *stages, Stage("out", _affine(weights[network.readout_layer], side=side))


def _block(layers: Mapping[str, ExactLayer], name: str, stride: int, *, shortcut: str) -> tuple[Stage, Stage]:
    """The two stages of a residual block, after the stage `shortcut`."""
    downsample = layers.get(f"{name}.downsample.0")
    return (
        Stage(f"{name}.sn1", _affine(layers[f"{name}.conv1"], stride=stride, padding=1)),
        Stage(
            f"{name}.sn2",
            _affine(layers[f"{name}.conv2"], padding=1),
            shortcut=shortcut,
            downsample=None if downsample is None else _affine(downsample, stride=stride),
        ),
    )


_STAGES = {"SpikingCNN": _cnn, "SpikingResNet18": _resnet18, "SpikingStack": _stack}


def _affine(layer: ExactLayer, *, stride: int = 1, padding: int = 0, side: int = 0) -> Affine:
    weight = layer.weight
    if weight.ndim == 2:
        weight = weight.view(weight.shape[0], -1, side, side)
    scale = torch.ldexp(torch.ones(len(weight)), -(layer.shift.int() + layer.grid.bits)).float()
    return Affine(weight, scale, layer.float_bias(), stride, padding)
