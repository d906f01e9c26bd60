"""The exact decoder of a VQ-VAE on the engine; see `rendering`."""

from collections.abc import Mapping

import torch
from torch import Tensor

from amb_problems.cards import VQVAEShape
from amb_problems.engine.convolution import Arithmetic
from amb_problems.generators.exact.rendering import Rendering
from amb_problems.generators.exact.rounding import SIGNED
from amb_problems.generators.exact.steps import Steps
from amb_problems.targets.spiking.exact import ExactLayer


class DecoderRendering(Rendering):
    """Pixels uint8 [n, size, size, channels] of numbers of codes [n, side * side]; the same bits as `ExactDecoder`.

    Args:
        shape: sizes of the VQ-VAE.
        vectors: the rounded codebook, float32 [codes, dimensions].
        layers, table, device, arithmetic, steps: see `Rendering`.
    """

    def __init__(
        self,
        shape: VQVAEShape,
        vectors: Tensor,
        layers: Mapping[str, ExactLayer],
        table: Tensor,
        device: torch.device,
        *,
        arithmetic: Arithmetic | None = None,
        steps: Steps | None = None,
    ) -> None:
        super().__init__(layers, table, device, arithmetic=arithmetic, steps=steps)
        side = self._side = shape.side
        self._vectors = (vectors * (1 << SIGNED.bits) - SIGNED.low).to(device, torch.uint8)
        self._first = self._convolution("first", side, padding=1, signed=True)
        self._blocks = [
            (
                self._convolution(f"blocks.{number}.conv1", side, padding=1),
                self._convolution(f"blocks.{number}.conv2", side),
            )
            for number in range(shape.blocks)
        ]
        self._up1 = self._convolution("up1", side, padding=1)
        self._up2 = self._convolution("up2", 2 * side, padding=1)

    def __call__(self, codes: Tensor) -> Tensor:
        """Pixels on the device of the numbers."""
        steps = self._steps
        x = self._first(self._vectors[codes.long()].view(len(codes), self._side, self._side, -1))
        for conv1, conv2 in self._blocks:
            x += conv2(steps.rectify(conv1(steps.rectify(x))))
        x = steps.interleave(self._up1(steps.rectify(x)))
        return steps.look_up_phases(self._up2(x), self._table)
