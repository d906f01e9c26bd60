"""Surrogate-gradient neurons for training: all frames of a layer in one call, in any floating-point type."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from amb_problems.cards import Reset

Relaxation = Literal["relu", "clipped"]


class _LIFSteps(torch.autograd.Function):
    """LIF over frames folded into the batch; arctan surrogate; no gradient flows through the reset."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        current: Tensor,
        frames: int,
        decay: float,
        threshold: float,
        strict: bool,
        reset: Reset,
        alpha: float,
    ) -> Tensor:
        potentials = torch.empty_like(current)
        spikes = torch.empty_like(current)
        fires = torch.gt if strict else torch.ge
        before = None
        for x, h, s in zip(current.chunk(frames), potentials.chunk(frames), spikes.chunk(frames), strict=True):
            h.copy_(x) if before is None else torch.add(x, before, alpha=decay, out=h)
            s.copy_(fires(h, threshold))
            before = h - threshold * s if reset == "subtract" else torch.addcmul(h, h, s, value=-1)
        ctx.save_for_backward(potentials, spikes)
        ctx.constants = frames, decay, threshold, reset, alpha  # type: ignore[attr-defined]
        return spikes

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor | None, ...]:
        potentials, spikes = ctx.saved_tensors  # type: ignore[attr-defined]
        frames, decay, threshold, reset, alpha = ctx.constants  # type: ignore[attr-defined]
        # alpha/2 / (1 + (pi/2 alpha (h - threshold))^2), for all frames at once and in few passes over the memory
        offset = potentials - threshold
        constant = torch.full((), 2 / alpha, dtype=offset.dtype, device=offset.device)
        slope = torch.addcmul(constant, offset, offset, value=math.pi**2 / 2 * alpha)
        slope = slope.reciprocal_().mul_(grads[0])
        after = None
        steps = zip(slope.chunk(frames), spikes.chunk(frames), strict=True)
        for g, s in reversed(list(steps)):
            if after is not None and reset == "subtract":  # the gradient through this frame's potential to the next
                g.add_(after, alpha=decay)
            elif after is not None:  # the same, unless the potential was reset to zero
                g.add_(torch.addcmul(after, after, s, value=-1), alpha=decay)
            after = g
        return slope, None, None, None, None, None, None


class SurrogateLIF(nn.Module):
    """A layer of LIF neurons, for training.

    Input `[frames * n, ...]`, frame-major; output spikes of the same shape. With `repeats` the input is `[n, ...]`,
    the same in every frame, as for the layer that receives the still image. `frames=0` is the rate relaxation, in
    which training starts.

    Args:
        decay: factor of the membrane potential from one frame to the next.
        threshold: potential at which the neuron fires.
        strict: fire above the threshold (snnTorch) instead of at it (SpikingJelly).
        reset: to zero, or by subtracting the threshold.
        alpha: steepness of the arctan surrogate.
        relaxation: "relu", which learns fast, or "clipped" at 1, like a rate.
    """

    def __init__(
        self,
        *,
        decay: float = 0.9,
        threshold: float = 1.0,
        strict: bool = False,
        reset: Reset = "zero",
        alpha: float = 2.0,
        relaxation: Relaxation = "relu",
    ):
        super().__init__()
        self.relaxation = relaxation
        self.decay, self.threshold, self.strict, self.reset, self.alpha = decay, threshold, strict, reset, alpha
        self.frames = 0
        self.repeats = False

    def forward(self, current: Tensor) -> Tensor:
        if self.frames == 0:
            clipped = self.relaxation == "clipped"
            return nn.functional.hardtanh(current, 0.0, 1.0) if clipped else nn.functional.relu(current)
        if self.repeats:
            layout = torch.channels_last if current.ndim == 4 else torch.contiguous_format
            current = torch.cat([current] * self.frames).contiguous(memory_format=layout)
        return _LIFSteps.apply(current, self.frames, self.decay, self.threshold, self.strict, self.reset, self.alpha)


def set_frames(network: nn.Module, frames: int, *, first: str = "sn1") -> None:
    """Set all neuron layers of `network` to `frames` folded frames; layer `first` repeats its input."""
    for name, module in network.named_modules():
        if isinstance(module, SurrogateLIF):
            module.frames = frames
            module.repeats = name == first
