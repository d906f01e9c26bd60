"""Exact generators on the engine of the targets: convolutions of bytes with int8 weights, and steps between them.

The arithmetic is chosen by trial, as for targets: oneDNN's integer convolution, products of int8 matrices on an
accelerator, or float32, in which all sums are exact. All give the bits of the networks in `sngan` and `decoder`.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from amb_problems.engine.convolution import Arithmetic, Convolution, has_integers
from amb_problems.engine.matrix_products import has_products
from amb_problems.engine.stages import Affine
from amb_problems.generators.exact.rounding import RECTIFIED
from amb_problems.generators.exact.steps import CompiledSteps, Steps, TensorSteps
from amb_problems.targets.spiking.exact import ExactLayer


class Rendering:
    """Convolutions of an exact generator's layers, and the steps between them.

    Args:
        layers: the rounded layers by name.
        table: the pixel of every tone; see `screen`.
        device: where to compute.
        arithmetic, steps: instead of the fastest ones.
    """

    def __init__(
        self,
        layers: Mapping[str, ExactLayer],
        table: Tensor,
        device: torch.device,
        *,
        arithmetic: Arithmetic | None = None,
        steps: Steps | None = None,
    ) -> None:
        self._layers, self._table, self._device = layers, table.to(device), device
        self._arithmetic, self._steps = arithmetic, steps or fastest_steps(device)

    def _convolution(self, name: str, side: int, *, padding: int = 0, signed: bool = False) -> Convolution:
        """A layer for square maps of bytes; `signed`: 128 is zero."""
        chosen = self._arithmetic or fastest_arithmetic(self._device, signed=signed)
        affine = affine_map(self._layers[name], padding=padding)
        return Convolution(affine, side, arithmetic=chosen, pixels=signed, device=self._device)


def fastest_steps(device: torch.device) -> Steps:
    """Compiled loops on a CPU, tensor operations elsewhere."""
    return CompiledSteps() if device.type == "cpu" else TensorSteps()


def fastest_arithmetic(device: torch.device, *, signed: bool) -> Arithmetic:
    """What convolves fastest among what is exact on the device; `signed`: the bytes use all eight bits."""
    if device.type == "cpu":
        exact = has_integers(pixels=True) if signed else has_integers(largest=RECTIFIED.high)
        return "integers" if exact else "floats"
    return "products" if has_products(device) else "floats"


def affine_map(layer: ExactLayer, *, padding: int = 0) -> Affine:
    """A layer for the engine, whose inputs are integers: multiples of the input's step."""
    weight = layer.weight if layer.weight.dim() == 4 else layer.weight[:, :, None, None]
    scale = torch.ldexp(torch.ones(len(weight)), -(layer.shift.int() + layer.grid.bits)).float()
    return Affine(weight, scale, layer.float_bias(), padding=padding)
