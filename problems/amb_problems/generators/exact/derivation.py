"""An exact generator's weights, derived on loading from those of a float32 checkpoint.

A weight is that of the float32 network times a factor of its output and one of its input, in units of a power of two,
rounded to the nearest integer, of two equally near ones to the even one. Each step is one elementwise operation in
float64, which every processor computes alike; a digest in the file proves it. The file then holds factors, shifts and
biases, a few kilobytes, instead of weights. Where weights were trained after rounding, it also holds by how much each
integer changed: mostly by 0 or 1, which compresses well.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from amb.errors import CheckpointError

DIGEST = "digest"
"""The tensor that holds the digest of the derived weights and of the source's fingerprint: uint8 [32]."""


@dataclass(frozen=True)
class Origin:
    """Where the weights of a layer come from."""

    tensor: str
    """Name of the float32 tensor in the source's checkpoint."""
    arrange: Callable[[Tensor], Tensor] = lambda weight: weight
    """From its layout to that of the exact layer: `[outputs, inputs, ...]`."""


@dataclass(frozen=True)
class Factors:
    """What the arranged weights of a layer are multiplied by."""

    rows: Tensor
    """float32 [outputs]; an up-convolution has the same for its four phases."""
    columns: Tensor
    """float32 [inputs]."""

    def times(self, weight: Tensor) -> Tensor:
        """The product with arranged weights, float64."""
        spread = (1,) * (weight.dim() - 2)
        rows = self.rows.double().repeat(len(weight) // len(self.rows))
        return weight.double() * rows.view(-1, 1, *spread) * self.columns.double().view(1, -1, *spread)


def derive(
    origins: Mapping[str, Origin], tensors: Mapping[str, Tensor], source: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The rounded weights of all layers, int8, as `<layer>.weight`.

    Args:
        origins: where each layer's weights come from, by the layer's name.
        tensors: `<layer>.rows`, `<layer>.columns` and `<layer>.shift`; where they were trained, `<layer>.change`.
        source: the source's float32 tensors.

    Raises:
        CheckpointError: tensors are missing or do not fit each other.
    """
    weights = {}
    for layer, origin in origins.items():
        try:
            factors = Factors(tensors[f"{layer}.rows"], tensors[f"{layer}.columns"])
            product = factors.times(origin.arrange(source[origin.tensor].double()))
            weight = rounded_weights(product, tensors[f"{layer}.shift"])
            change = tensors.get(f"{layer}.change")
            weights[f"{layer}.weight"] = weight if change is None else changed(weight, change)
        except (KeyError, RuntimeError, ValueError, TypeError, ZeroDivisionError) as error:
            raise CheckpointError(f"the weights of {layer} cannot be derived: {error}") from error
    return weights


def rounded_weights(product: Tensor, shift: Tensor) -> Tensor:
    """Real weights float64 [outputs, ...] in units of 2^-shift, rounded and clipped: int8."""
    exponent = shift.numpy().astype(np.int32).reshape(-1, *(1,) * (product.dim() - 1))
    units = np.rint(np.ldexp(product.numpy(), exponent))
    return torch.from_numpy(np.clip(units, -128, 127).astype(np.int8))


def change_of(rounded: Tensor, trained: Tensor) -> Tensor:
    """By how much training changed rounded weights, all int8.

    Raises:
        CheckpointError: one changed by more than a byte holds.
    """
    change = trained.short() - rounded.short()
    if not torch.equal(change, change.to(torch.int8).short()):
        raise CheckpointError(
            f"training changed a weight by {int(change.abs().max())} units, but at most 127 fit; train it with a"
            " smaller learning rate"
        )
    return change.to(torch.int8)


def changed(rounded: Tensor, change: Tensor) -> Tensor:
    """What `change_of` was made from: the trained weights, int8.

    Raises:
        ValueError: the change has another type or shape.
    """
    if change.dtype != torch.int8 or change.shape != rounded.shape:
        raise ValueError(f"its change is {change.dtype} {list(change.shape)}, not torch.int8 {list(rounded.shape)}")
    return (rounded.short() + change.short()).clamp(-128, 127).to(torch.int8)


def digest(weights: Mapping[str, Tensor], source_fingerprint: str) -> Tensor:
    """The digest of rounded weights and of the source: uint8 [32]."""
    content = hashlib.sha256(source_fingerprint.encode())
    for name, weight in sorted(weights.items()):
        content.update(f"{name}{list(weight.shape)}".encode())
        content.update(weight.contiguous().numpy().tobytes())
    return torch.frombuffer(bytearray(content.digest()), dtype=torch.uint8)
