"""What happens between an exact generator's convolutions, in compiled loops or in plain tensor operations.

Both give the same bits. Maps are channels last, [n, h, w, c].
"""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from amb_problems.generators.exact import loops, screen
from amb_problems.generators.exact.rounding import RECTIFIED, SIGNED
from amb_problems.generators.exact.up import interleaved


class Steps(Protocol):
    """The steps between convolutions."""

    def rectify(self, maps: Tensor) -> Tensor:
        """Bytes of the rectified maps."""

    def offset(self, maps: Tensor) -> Tensor:
        """Bytes of the maps with their sign: 128 is zero."""

    def interleave(self, phases: Tensor) -> Tensor:
        """Rectified bytes [n, 2h, 2w, outputs] of an up-convolution's phases [n, h + 1, w + 1, 4 * outputs]."""

    def add_doubled(self, maps: Tensor, small: Tensor) -> Tensor:
        """Maps [n, 2h, 2w, c] plus maps [n, h, w, c] whose pixels are doubled; the first may be changed in place."""

    def look_up(self, tones: Tensor, table: Tensor) -> Tensor:
        """The pixel of every tone: see `screen.shown`."""

    def look_up_phases(self, phases: Tensor, table: Tensor) -> Tensor:
        """The pixels [n, 2h, 2w, outputs] of an up-convolution's phases [n, h + 1, w + 1, 4 * outputs]."""


class CompiledSteps:
    """See `Steps`; on the CPU."""

    def rectify(self, maps: Tensor) -> Tensor:
        """See `Steps`."""
        out = torch.empty(maps.shape, dtype=torch.uint8)
        loops.rectify(maps.view(-1).numpy(), _SCALE, _HIGH, out.view(-1).numpy())
        return out

    def offset(self, maps: Tensor) -> Tensor:
        """See `Steps`."""
        out = torch.empty(maps.shape, dtype=torch.uint8)
        loops.offset(maps.view(-1).numpy(), _SIGNED_SCALE, out.view(-1).numpy())
        return out

    def interleave(self, phases: Tensor) -> Tensor:
        """See `Steps`."""
        out = _doubled_from(phases)
        loops.interleave(phases.numpy(), _SCALE, _HIGH, out.numpy())
        return out

    def add_doubled(self, maps: Tensor, small: Tensor) -> Tensor:
        """See `Steps`."""
        loops.add_doubled(maps.numpy(), small.numpy())
        return maps

    def look_up(self, tones: Tensor, table: Tensor) -> Tensor:
        """See `Steps`."""
        out = torch.empty(tones.shape, dtype=torch.uint8)
        loops.look_up(tones.view(-1).numpy(), _TONE_SCALE, table.numpy(), out.view(-1).numpy())
        return out

    def look_up_phases(self, phases: Tensor, table: Tensor) -> Tensor:
        """See `Steps`."""
        out = _doubled_from(phases)
        loops.look_up_phases(phases.numpy(), _TONE_SCALE, table.numpy(), out.numpy())
        return out


class TensorSteps:
    """See `Steps`; on any device."""

    def rectify(self, maps: Tensor) -> Tensor:
        """See `Steps`."""
        return (maps * float(_SCALE)).round_().clamp_(RECTIFIED.low, RECTIFIED.high).to(torch.uint8)

    def offset(self, maps: Tensor) -> Tensor:
        """See `Steps`."""
        signed = (maps * float(_SIGNED_SCALE)).round_().clamp_(SIGNED.low, SIGNED.high)
        return (signed - SIGNED.low).to(torch.uint8)

    def interleave(self, phases: Tensor) -> Tensor:
        """See `Steps`."""
        return self.rectify(interleaved(phases))

    def add_doubled(self, maps: Tensor, small: Tensor) -> Tensor:
        """See `Steps`."""
        return maps + small.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)

    def look_up(self, tones: Tensor, table: Tensor) -> Tensor:
        """See `Steps`."""
        return screen.shown(tones, table)

    def look_up_phases(self, phases: Tensor, table: Tensor) -> Tensor:
        """See `Steps`."""
        return screen.shown(interleaved(phases), table)


def _doubled_from(phases: Tensor) -> Tensor:
    """Room for the bytes of an up-convolution's phases."""
    n, height, width, channels = phases.shape
    return torch.empty((n, 2 * height - 2, 2 * width - 2, channels // 4), dtype=torch.uint8)


_SCALE, _HIGH = np.float32(1 << RECTIFIED.bits), np.float32(RECTIFIED.high)
_SIGNED_SCALE = np.float32(1 << SIGNED.bits)
_TONE_SCALE = np.float32(1 << screen.BITS)
