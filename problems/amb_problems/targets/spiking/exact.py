"""Exact weights: integers scaled by powers of two, so that sums do not depend on the order of their terms.

A float32 sum is exact as long as all terms are multiples of one power of two and no partial sum reaches 2^24 of
them. With int8 weights and inputs that are spikes or pixels this holds for every layer here, and is checked when
weights are created and when they are loaded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from amb.errors import CheckpointError
from amb_problems.checkpoint import refuse_endless
from amb_problems.targets.spiking.architectures import SpikingResNet18, TargetNetwork

LARGEST_SHIFT = 16
"""Of a power of two: the finest and the coarsest grid of weights. Bounds on two of them fit in int64."""

EXACT_UNITS = 1 << 24
"""Integers up to this one are exact in float32."""


@dataclass(frozen=True)
class Grid:
    """The values that a layer's input takes: multiples of `2^-bits`, at most `peak` of them in magnitude."""

    bits: int
    peak: int


PIXELS = Grid(bits=6, peak=128)
"""The image as `(u8 - 128) / 64`."""
SPIKES = Grid(bits=0, peak=1)


@dataclass(frozen=True)
class ExactLayer:
    """A convolution or a fully connected layer in integers.

    The layer computes `(sum(weight * x) + bias) * 2^-(shift + grid.bits)`, where the integers `x` are the input in
    units of its grid: pixels minus 128, or spikes.

    Attributes:
        weight: int8 `[outputs, inputs, kh, kw]` or `[outputs, inputs]`.
        shift: int8 `[outputs]`, each output channel's own power of two.
        bias: int32 `[outputs]`, in units of the accumulator.
        grid: the input's values.
    """

    weight: Tensor
    shift: Tensor
    bias: Tensor
    grid: Grid

    def float_weight(self) -> Tensor:
        """The weights as real numbers, float32."""
        shape = (-1,) + (1,) * (self.weight.ndim - 1)
        return torch.ldexp(self.weight.float(), -self.shift.int().view(shape)).float()

    def float_bias(self) -> Tensor:
        """The biases as real numbers, float32 `[outputs]`."""
        return torch.ldexp(self.bias.float(), -(self.shift.int() + self.grid.bits)).float()

    def bound(self) -> Tensor:
        """The largest magnitude that any partial sum can reach, in units of the accumulator: int64 `[outputs]`."""
        return self.weight.long().abs().flatten(1).sum(1) * self.grid.peak + self.bias.long().abs()


def quantize(weight: Tensor, bias: Tensor, grid: Grid, shift: Tensor | None = None) -> ExactLayer:
    """Round real weights `[outputs, ...]` to int8.

    Args:
        weight, bias: of one layer.
        grid: the input's values.
        shift: the power of two of each output channel, with which its weights fit; None: the finest that fits it.
    """
    if shift is None:
        peak = weight.detach().double().abs().flatten(1).amax(1).clamp_min(2.0**-20)
        shift = torch.floor(torch.log2(127.49 / peak)).clamp(-8, 16)
    shift = shift.double()
    shape = (-1,) + (1,) * (weight.ndim - 1)
    integers = torch.round(weight.detach().double() * torch.exp2(shift).view(shape))
    biases = torch.round(bias.detach().double() * torch.exp2(shift + grid.bits))
    return ExactLayer(integers.to(torch.int8), shift.to(torch.int8), biases.to(torch.int32), grid)


def fold(weight: Tensor, bias: Tensor | None, norm: nn.Module | None) -> tuple[Tensor, Tensor]:
    """A layer's weights and bias with the batch norm behind it folded in (running statistics)."""
    base = weight.new_zeros(len(weight)) if bias is None else bias.detach()
    if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
        return weight.detach(), base
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
    shape = (-1,) + (1,) * (weight.ndim - 1)
    return weight.detach() * scale.view(shape), (base - norm.running_mean) * scale + norm.bias.detach()


def layer_grids(network: TargetNetwork) -> dict[str, Grid]:
    """The input grid of every weighted layer of `network`, by the layer's name."""
    names = [n for n, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    grids = dict.fromkeys(names, SPIKES) | {"conv1": PIXELS}
    if isinstance(network, SpikingResNet18):
        # Spikes averaged over a map of four positions are quarters.
        grids["fc"] = Grid(bits=network.last_map.bit_length() - 1, peak=network.last_map)
    return grids


def fold_mean(weight: Tensor) -> Tensor:
    """The weights `[outputs, inputs, k + 1, k + 1]` of the convolution with stride 2 that equals a convolution with
    `weight` `[outputs, inputs, k, k]`, averaged over windows of 2x2: the mean of its four shifts by one pixel."""
    shifts = [nn.functional.pad(weight, (x, 1 - x, y, 1 - y)) for y in (0, 1) for x in (0, 1)]
    return torch.stack(shifts).mean(0)


def _norms(network: TargetNetwork) -> dict[str, str]:
    pairs = dict(network.linear_norms)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            parent, _, own = name.rpartition(".")
            bn = "1" if own == "0" else f"bn{own.removeprefix('conv')}"
            pairs[name] = f"{parent}.{bn}" if parent else bn
    return pairs


def make_exact(network: TargetNetwork) -> dict[str, ExactLayer]:
    """Fold batch norms and mean pooling of a trained network and round its weights; the layers by name.

    Raises:
        CheckpointError: weights that are not finite, or not exact.
    """
    refuse_endless(network.state_dict(), "the trained network")
    norms = _norms(network)
    layers = {}
    for name, grid in layer_grids(network).items():
        module = network.get_submodule(name)
        norm = network.get_submodule(norms[name]) if name in norms else None
        assert isinstance(module, nn.Conv2d | nn.Linear)
        weight, bias = fold(module.weight, module.bias, norm)
        layers[name] = quantize(fold_mean(weight) if name in network.averaged else weight, bias, grid)
    check_exact(layers)
    return layers


def check_exact(layers: Mapping[str, ExactLayer]) -> None:
    """Refuse weights whose sums could be rounded in float32.

    A residual sum adds two accumulators, each with its own power of two; it is bounded on the finer of both grids.

    Raises:
        CheckpointError: a layer that is not exact.
    """
    for name, layer in layers.items():
        bound = layer.bound()
        if (largest := int(layer.shift.int().abs().max())) > LARGEST_SHIFT:
            raise CheckpointError(
                f"layer {name} has weights in units of 2^{largest} or 2^-{largest}; expected 2^{LARGEST_SHIFT} at most"
            )
        if name.endswith(".conv2"):
            branch = layers.get(name.removesuffix("conv2") + "downsample.0")
            other = branch.shift if branch else torch.zeros_like(layer.shift)
            reach = branch.bound() if branch else torch.ones_like(bound)
            finest = torch.maximum(layer.shift, other).long()
            bound = (bound << (finest - layer.shift)) + (reach << (finest - other))
        if int(bound.max()) >= EXACT_UNITS:
            channel = int(bound.argmax())
            raise CheckpointError(
                f"layer {name}, channel {channel}: sums can reach {int(bound.max())} units, but only those below"
                f" {EXACT_UNITS}; train with weight decay or give the channel a smaller power of two"
            )


def check_sums(layers: Mapping[str, ExactLayer], sums: Sequence[Sequence[str]]) -> None:
    """Refuse layers whose outputs, added to each other, could be rounded in float32.

    Args:
        layers: the layers by name.
        sums: the names of layers that are added; all have the same number of outputs.

    Raises:
        CheckpointError: a sum that is not exact.
    """
    for names in sums:
        steps = {name: layers[name].shift.long() + layers[name].grid.bits for name in names}
        finest = torch.stack(list(steps.values())).amax(0)
        reach = sum((layers[name].bound() << (finest - steps[name]) for name in names), torch.zeros_like(finest))
        if int(reach.max()) >= EXACT_UNITS:
            raise CheckpointError(
                f"the sum of {', '.join(names)}, channel {int(reach.argmax())}, can reach {int(reach.max())} units, but"
                f" only sums below {EXACT_UNITS} are exact; train it with a smaller learning rate"
            )


def to_tensors(layers: Mapping[str, ExactLayer]) -> dict[str, Tensor]:
    """The layers as a checkpoint's tensors: `<layer>.weight`, `<layer>.shift`, `<layer>.bias`."""
    return {
        f"{name}.{field}": getattr(layer, field)
        for name, layer in layers.items()
        for field in ("weight", "shift", "bias")
    }


def from_tensors(tensors: Mapping[str, Tensor], grids: Mapping[str, Grid], network: nn.Module) -> dict[str, ExactLayer]:
    """What `to_tensors` wrote, checked.

    Args:
        tensors: the tensors by name.
        grids: the input's values of every layer, by the layer's name.
        network: a network with layers of these names and of the sizes that are expected.

    Raises:
        CheckpointError: tensors that are missing, of the wrong type or size, or not exact.
    """
    layers = {}
    for name, grid in grids.items():
        weight = network.get_submodule(name).weight
        assert isinstance(weight, Tensor)
        for field, dtype in (("weight", torch.int8), ("shift", torch.int8), ("bias", torch.int32)):
            tensor = tensors.get(f"{name}.{field}")
            expected = weight.shape if field == "weight" else weight.shape[:1]
            if tensor is None or tensor.dtype != dtype or tensor.shape != expected:
                actual = "nothing" if tensor is None else f"{tensor.dtype} {list(tensor.shape)}"
                raise CheckpointError(
                    f"exact weights need {name}.{field} as {dtype} {list(expected)}, the card's shape, found {actual}"
                )
        layers[name] = ExactLayer(tensors[f"{name}.weight"], tensors[f"{name}.shift"], tensors[f"{name}.bias"], grid)
    check_exact(layers)
    return layers


def load_weights(network: nn.Module, layers: Mapping[str, ExactLayer]) -> None:
    """Put exact weights, as float32, into a network whose layers have the same names."""
    for name, layer in layers.items():
        module = network.get_submodule(name)
        assert isinstance(module.weight, Tensor)
        assert isinstance(module.bias, Tensor)
        module.weight.data.copy_(layer.float_weight())
        module.bias.data.copy_(layer.float_bias())
