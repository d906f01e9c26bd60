"""The exact SN-GAN on the engine; see `rendering`."""

from collections.abc import Mapping

import torch
from torch import Tensor

from amb_problems.cards import SNGANShape
from amb_problems.engine.convolution import Arithmetic
from amb_problems.generators.exact.rendering import Rendering
from amb_problems.generators.exact.rounding import LATENTS
from amb_problems.generators.exact.steps import Steps
from amb_problems.targets.spiking.exact import ExactLayer


class SNGANRendering(Rendering):
    """Pixels uint8 [n, size, size, channels] of latents float32 [n, latent]; the same bits as `ExactSNGAN`.

    Args:
        shape: sizes of the generator.
        layers, table, device, arithmetic, steps: see `Rendering`.
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
        layers = {**layers, "linear": channels_last(layers["linear"], shape)}
        super().__init__(layers, table, device, arithmetic=arithmetic, steps=steps)
        self._bottom = shape.bottom
        self._linear = self._convolution("linear", 1, signed=True)
        sides = [shape.bottom << number for number in range(len(shape.widths))]
        self._blocks = [
            (
                self._convolution(f"blocks.{number}.up", side, padding=1),
                self._convolution(f"blocks.{number}.conv", 2 * side, padding=1),
                self._convolution(f"blocks.{number}.shortcut", side, signed=True),
            )
            for number, side in enumerate(sides[:-1])
        ]
        self._conv = self._convolution("conv", sides[-1], padding=1)

    def __call__(self, latents: Tensor) -> Tensor:
        """Pixels on the latents' device."""
        steps = self._steps
        codes = (latents * (1 << LATENTS.bits)).round_().clamp_(LATENTS.low, LATENTS.high).sub_(LATENTS.low)
        x = self._linear(codes.to(torch.uint8)[:, None, None]).view(len(latents), self._bottom, self._bottom, -1)
        for up, conv, shortcut in self._blocks:
            y = conv(steps.interleave(up(steps.rectify(x))))
            x = steps.add_doubled(y, shortcut(steps.offset(x)))
        return steps.look_up(self._conv(steps.rectify(x)), self._table)


def channels_last(linear: ExactLayer, shape: SNGANShape) -> ExactLayer:
    """The layer with its outputs in the order [h, w, c] instead of [c, h, w]."""
    rows = torch.arange(len(linear.weight)).view(-1, shape.bottom**2).t().flatten()
    return ExactLayer(linear.weight[rows], linear.shift[rows], linear.bias[rows], linear.grid)
