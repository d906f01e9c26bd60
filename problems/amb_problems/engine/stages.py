"""The networks that the engine runs: a chain of exact spiking layers, as integers and powers of two.

Every current is `(sum of weight x input) * scale + bias`, where inputs are integers (spikes are 0 or 1, the image is
u8 - 128), weights are int8 and scales are powers of two. `Affine.limit` proves that no partial sum, in any order of
summation, needs more than float32's 24 bits: hence every algorithm gives the same bits.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from amb.errors import CheckpointError
from amb_problems.cards import Reset

_MANTISSA = 2.0**24


@dataclass(frozen=True, eq=False)
class Affine:
    """A convolution, or a fully connected layer as a convolution that covers its whole input map.

    Raises:
        CheckpointError: weights, scales or biases that are not exact.
    """

    weight: Tensor
    """int8 `[outputs, inputs, k, k]`."""
    scale: Tensor
    """float32 `[outputs]`, powers of two."""
    bias: Tensor
    """float32 `[outputs]`, in units of current."""
    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        if self.weight.dtype != torch.int8 or self.weight.dim() != 4:
            raise CheckpointError(
                f"expected int8 weights [outputs, inputs, k, k], got {self.weight.dtype} {list(self.weight.shape)}"
            )
        mantissas = torch.frexp(self.scale).mantissa
        if not bool((mantissas == 0.5).all()):
            raise CheckpointError("the scales of an exact layer are powers of two; export the network with `amb train`")

    @property
    def outputs(self) -> int:
        """Number of output channels."""
        return self.weight.shape[0]

    @property
    def kernel(self) -> int:
        """Side of the square kernel."""
        return self.weight.shape[-1]

    def output_side(self, side: int) -> int:
        """Side of the output map for a square input map."""
        return (side + 2 * self.padding - self.kernel) // self.stride + 1

    def select(self, units: Tensor) -> "Affine":
        """The layer reduced to some output channels."""
        return replace(self, weight=self.weight[units], scale=self.scale[units], bias=self.bias[units])

    def limit(self, largest_input: int) -> tuple[Tensor, Tensor]:
        """The grid on which each output channel lies, and the largest magnitude that any partial sum can have."""
        reach = self.weight.double().abs().flatten(1).sum(1) * largest_input * self.scale.double()
        return torch.minimum(self.scale, _grid(self.bias)), reach + self.bias.double().abs()


@dataclass(frozen=True)
class Neuron:
    """Leaky integrate-and-fire: `v = v * decay + current`, two float32 roundings, then the reset of those that fire.

    A spike leaves `kept * v - taken` of the potential, for either reset.
    """

    decay: float = 0.9
    threshold: float = 1.0
    strict: bool = False
    """Fires at v > threshold (snnTorch) instead of v >= threshold (SpikingJelly)."""
    reset: Reset = "zero"

    @property
    def periodic(self) -> bool:
        """Whether the neuron fires with a fixed period under a constant current: a reset to zero forgets the past."""
        return self.reset == "zero"

    @property
    def kept(self) -> np.float32:
        """The share of the potential that a spike leaves: 0 or 1."""
        return np.float32(0 if self.reset == "zero" else 1)

    @property
    def taken(self) -> np.float32:
        """What a spike subtracts from the potential."""
        return np.float32(0 if self.reset == "zero" else self.threshold)

    @property
    def level(self) -> np.float32:
        """The smallest float32 potential that fires, so that one rule `v >= level` serves both."""
        level = np.float32(self.threshold)
        return np.nextafter(level, np.float32(np.inf)) if self.strict else level


@dataclass(frozen=True)
class Pool:
    """Max pooling over square windows."""

    kernel: int
    stride: int
    padding: int = 0

    def output_side(self, side: int) -> int:
        """Side of the output map for a square input map."""
        return (side + 2 * self.padding - self.kernel) // self.stride + 1


@dataclass(frozen=True, eq=False)
class Stage:
    """One spiking layer: currents of an affine map, optionally max-pooled, plus an optional shortcut, into neurons."""

    name: str
    affine: Affine
    pool: Pool | None = None
    """Pooling of the currents, before the neurons."""
    spike_pool: Pool | None = None
    """Pooling of the spikes, after the neurons (first stage only); probes read the neurons, later stages the pool."""
    shortcut: str | None = None
    """The stage whose spikes are added to the currents."""
    downsample: Affine | None = None
    """Affine map of the shortcut's spikes, if any."""


@dataclass(frozen=True, eq=False)
class Network:
    """An exact spiking network under a constant image: stages in order, each fed by the previous one.

    Raises:
        CheckpointError: a sum might not be exact in float32, or the stages do not fit together.
    """

    stages: tuple[Stage, ...]
    neuron: Neuron
    frames: int
    side: int = 32
    channels: int = 3

    def __post_init__(self) -> None:
        if not 1 <= self.frames <= 254:
            raise CheckpointError(f"the engine runs 1 to 254 frames, not {self.frames}")
        names: list[str] = []
        for number, stage in enumerate(self.stages):
            if stage.shortcut is not None and stage.shortcut not in names[:-1]:
                raise CheckpointError(
                    f"{stage.name}: its shortcut {stage.shortcut!r} is not a stage before the previous one"
                )
            if number and stage.spike_pool:
                raise CheckpointError(f"{stage.name}: only the first stage can pool its spikes")
            if not number and stage.shortcut:
                raise CheckpointError(f"{stage.name}: the first stage has no shortcut")
            names.append(stage.name)
            _require_exact(stage, largest_input=1 if number else 128)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the spiking layers, from the image inwards."""
        return tuple(stage.name for stage in self.stages)

    @property
    def units(self) -> dict[str, int]:
        """Number of units of each spiking layer."""
        return {stage.name: stage.affine.outputs for stage in self.stages}

    def sides(self) -> dict[str, int]:
        """Side of each layer's map of neurons."""
        sides, side = {}, self.side
        for stage in self.stages:
            side = stage.affine.output_side(side)
            side = stage.pool.output_side(side) if stage.pool else side
            sides[stage.name] = side
            side = stage.spike_pool.output_side(side) if stage.spike_pool else side
        return sides


def _require_exact(stage: Stage, *, largest_input: int) -> None:
    grid, reach = stage.affine.limit(largest_input)
    if stage.downsample is not None:
        other_grid, other_reach = stage.downsample.limit(1)
        grid, reach = torch.minimum(grid, other_grid), reach + other_reach
    elif stage.shortcut is not None:
        grid, reach = grid.clamp(max=1.0), reach + 1
    steps = float((reach / grid.double()).max())
    if steps >= _MANTISSA:
        raise CheckpointError(
            f"{stage.name}: sums reach {steps:.3g} steps of their grid, float32 holds {_MANTISSA:.3g}; "
            "export it with coarser biases or smaller weights"
        )


def _grid(values: Tensor) -> Tensor:
    """The largest power of two of which each float32 value is a multiple (infinity for zero)."""
    mantissa, exponent = torch.frexp(values)
    integers = (mantissa.double() * _MANTISSA).to(torch.int64)
    lowest = (integers & -integers).double() / _MANTISSA
    grid = torch.ldexp(lowest, exponent.double()).float()
    return torch.where(values == 0, torch.full_like(grid, float("inf")), grid)
