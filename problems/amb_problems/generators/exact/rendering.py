"""Exact generators on the engine of the targets: convolutions of bytes with int8 weights, and loops between them.

The arithmetic is chosen by trial, as for targets: oneDNN's integer convolution, products of int8 matrices on an
accelerator, or float32, in which all sums are exact. All give the bits of the network in `sngan`.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from amb_problems.cards import SNGANShape
from amb_problems.engine.convolution import Arithmetic, Convolution, has_integers
from amb_problems.engine.matrix_products import has_products
from amb_problems.engine.stages import Affine
from amb_problems.generators.exact.rounding import LATENTS, RECTIFIED
from amb_problems.generators.exact.steps import CompiledSteps, Steps, TensorSteps
from amb_problems.targets.spiking.exact import ExactLayer


class SNGANRendering:
    """Pixels uint8 [n, size, size, channels] of latents float32 [n, latent]; the same bits as `ExactSNGAN`.

    Args:
        shape: sizes of the generator.
        layers: the rounded layers of `ExactSNGAN` by name.
        table: the pixel of every tone; see `screen`.
        device: where to compute.
        arithmetic, steps: instead of the fastest ones.
    """

    def __init__(
        self,
        shape: SNGANShape,
        layers: Mapping[str, ExactLayer],
        table: Tensor,
        device: torch.device,
        *,
        arithmetic: Arithmetic | None = None,
        steps: Steps | None = None,
    ) -> None:
        self._bottom, self._table, self._steps = shape.bottom, table.to(device), steps or fastest_steps(device)
        layers = {**layers, "linear": _channels_last(layers["linear"], shape)}

        def convolution(name: str, side: int, *, padding: int = 0, signed: bool = False) -> Convolution:
            chosen = arithmetic or fastest_arithmetic(device, signed=signed)
            affine = affine_map(layers[name], padding=padding)
            return Convolution(affine, side, arithmetic=chosen, pixels=signed, device=device)

        self._linear = convolution("linear", 1, signed=True)
        sides = [shape.bottom << number for number in range(len(shape.widths))]
        self._blocks = [
            (
                convolution(f"blocks.{number}.up", side, padding=1),
                convolution(f"blocks.{number}.conv", 2 * side, padding=1),
                convolution(f"blocks.{number}.shortcut", side, signed=True),
            )
            for number, side in enumerate(sides[:-1])
        ]
        self._conv = convolution("conv", sides[-1], padding=1)

    def __call__(self, latents: Tensor) -> Tensor:
        """Pixels on the latents' device."""
        steps = self._steps
        codes = (latents * (1 << LATENTS.bits)).round_().clamp_(LATENTS.low, LATENTS.high).sub_(LATENTS.low)
        x = self._linear(codes.to(torch.uint8)[:, None, None]).view(len(latents), self._bottom, self._bottom, -1)
        for up, conv, shortcut in self._blocks:
            y = conv(steps.interleave(up(steps.rectify(x))))
            x = steps.add_doubled(y, shortcut(steps.offset(x)))
        return steps.look_up(self._conv(steps.rectify(x)), self._table)


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
    scale = torch.ldexp(torch.ones(len(weight)), -(layer.shift.int() + layer.grid.bits))
    return Affine(weight, scale, layer.float_bias(), padding=padding)


def _channels_last(linear: ExactLayer, shape: SNGANShape) -> ExactLayer:
    """The layer with its outputs in the order [h, w, c] instead of [c, h, w]."""
    rows = torch.arange(len(linear.weight)).view(-1, shape.bottom**2).t().flatten()
    return ExactLayer(linear.weight[rows], linear.shift[rows], linear.bias[rows], linear.grid)
