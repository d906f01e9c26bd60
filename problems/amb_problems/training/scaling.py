"""Factors that bring a generator's activations into the range of a byte, and the rounding of its weights.

A rectifier commutes with a positive factor. So each channel is scaled such that its largest values just fit the range:
the layer that makes it takes over the factor, those that read it its inverse. That changes no function.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from torch import Tensor

from amb_problems.generators.exact.derivation import DIGEST, Factors, change_of, derive, digest
from amb_problems.generators.exact.rounding import RECTIFIED, SIGNED
from amb_problems.generators.exact.weights import ExactModule
from amb_problems.targets.spiking.exact import ExactLayer, check_exact, check_sums, quantize

AnyModule = TypeVar("AnyModule", bound=ExactModule)

_SHARE = 0.9999
"""The share of a channel's values that is not clipped."""
RECTIFIED_RANGE = RECTIFIED.high * RECTIFIED.step
SIGNED_RANGE = SIGNED.high * SIGNED.step


@dataclass(frozen=True)
class ScaledLayer:
    """An exact layer before rounding, relative to the float32 weights that it comes from."""

    factors: Factors
    bias: Tensor
    """float32 [outputs of the exact layer], in its own units: scaled."""


def quantile(maps: Tensor) -> Tensor:
    """A high quantile of every channel of maps [n, c, h, w], at least a little above zero."""
    rows = maps.transpose(0, 1).flatten(1)
    return rows.kthvalue(max(1, round(_SHARE * rows.shape[1])), dim=1).values.clamp_min(1e-3)


def unrounded(network: AnyModule, scaled: Mapping[str, ScaledLayer], source: Mapping[str, Tensor]) -> AnyModule:
    """`network` with the products of float32 weights and factors.

    Args:
        network: of the right sizes.
        scaled: factors and biases of all its layers.
        source: the float32 tensors, by the names in `network.origins()`.
    """
    for name, origin in network.origins().items():
        module = network.get_submodule(name)
        assert isinstance(module.weight, Tensor)
        assert isinstance(module.bias, Tensor)
        module.weight.data.copy_(scaled[name].factors.times(origin.arrange(source[origin.tensor].double())))
        module.bias.data.copy_(scaled[name].bias)
    return network


def tensors_to_derive(
    network: ExactModule,
    scaled: Mapping[str, ScaledLayer],
    source: Mapping[str, Tensor],
    source_fingerprint: str,
    trained: Mapping[str, ExactLayer] = MappingProxyType({}),
) -> dict[str, Tensor]:
    """A checkpoint's tensors from which the int8 weights are derived on loading; see `derivation`.

    Args:
        network: of the right sizes.
        scaled: factors and biases of all its layers.
        source: the float32 tensors, by the names in `network.origins()`.
        source_fingerprint: of the checkpoint that holds them.
        trained: layers whose weights and biases were trained after rounding, with the same shifts.

    Raises:
        CheckpointError: sums might be rounded in float32.
    """
    origins, layers = network.origins(), {}
    tensors: dict[str, Tensor] = {}
    for name, grid in network.grids().items():
        origin, layer = origins[name], scaled[name]
        product = layer.factors.times(origin.arrange(source[origin.tensor].double()))
        rounded = quantize(product, layer.bias, grid)
        layers[name] = exact = trained.get(name, rounded)
        if name in trained:
            tensors[f"{name}.change"] = change_of(rounded.weight, exact.weight)
        tensors |= {f"{name}.rows": layer.factors.rows, f"{name}.columns": layer.factors.columns}
        tensors |= {f"{name}.shift": exact.shift, f"{name}.bias": exact.bias}
    check_exact(layers)
    check_sums(layers, network.sums())
    weights = derive(origins, tensors, source)
    # Clones, since layers whose outputs are added share their rows, and safetensors stores every tensor by itself.
    return {name: tensor.clone() for name, tensor in tensors.items()} | {DIGEST: digest(weights, source_fingerprint)}
