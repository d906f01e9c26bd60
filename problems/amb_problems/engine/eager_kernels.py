"""Neuron kernels in plain tensor operations, for any device; on the CPU, an independent check."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from amb_problems.engine.firing_periods import period_edges
from amb_problems.engine.stages import Neuron, Pool


@dataclass(frozen=True)
class EagerKernels:
    """See `Kernels`; steps in place, multiplication before addition (`torch.add(alpha=)` would fuse them)."""

    neuron: Neuron
    frames: int
    superposes: ClassVar[bool] = False

    def periods(self, current: Tensor, pool: Pool | None) -> Tensor:
        """See `Kernels`."""
        current = max_pool(current, pool)
        rising = torch.tensor(period_edges(self.neuron, self.frames)[::-1].copy(), device=current.device)
        above = self.frames - torch.bucketize(current, rising, right=True, out_int32=True)
        return torch.where(above < self.frames, above + 1, 0).to(torch.uint8)

    def period_counts(self, periods: Tensor) -> Tensor:
        """See `Kernels`."""
        spikes = [0, *(self.frames // period for period in range(1, self.frames + 1))]
        counts = torch.tensor(spikes, device=periods.device)[periods.int()]
        return counts.sum(dim=(1, 2))

    def trains(self, periods: Tensor, pool: Pool | None) -> Tensor:
        """See `Kernels`."""
        frame = torch.arange(1, self.frames + 1, device=periods.device).view(-1, 1, 1, 1, 1)
        safe = torch.where(periods == 0, 255, periods.int())  # no frame is a multiple of 255
        spikes = (frame % safe == 0).to(torch.uint8)
        if pool is None:
            return spikes
        pooled = max_pool(spikes.flatten(0, 1).float(), pool).to(torch.uint8)
        return pooled.view(self.frames, -1, *pooled.shape[1:])

    def hold(self, current: Tensor, pool: Pool | None) -> Tensor:
        """See `Kernels`."""
        current = max_pool(current, pool)
        return self.fire(current.expand(self.frames, *current.shape), None)

    def fire(self, current: Tensor, shortcut: Tensor | None) -> Tensor:
        """See `Kernels`."""
        spikes = torch.empty(current.shape, dtype=torch.uint8, device=current.device)
        self._step(current, shortcut, spikes, None)
        return spikes

    def fire_counts(self, current: Tensor, shortcut: Tensor | None) -> Tensor:
        """See `Kernels`."""
        counts = torch.zeros(current.shape[1:], dtype=torch.int16, device=current.device)
        self._step(current, shortcut, None, counts)
        return counts.flatten(1, -2).sum(1, dtype=torch.int64)

    def counts(self, spikes: Tensor) -> Tensor:
        """See `Kernels`."""
        return spikes.flatten(2, -2).sum(dim=(0, 2), dtype=torch.int64)

    def _step(self, current: Tensor, shortcut: Tensor | None, spikes: Tensor | None, counts: Tensor | None) -> None:
        level = float(self.neuron.level)
        potential = torch.zeros(current.shape[1:], dtype=current.dtype, device=current.device)
        for t in range(self.frames):
            received = current[t] if shortcut is None else current[t] + shortcut[t]
            potential.mul_(self.neuron.decay).add_(received)
            fires = potential >= level
            if self.neuron.periodic:
                potential.masked_fill_(fires, 0.0)
            else:
                potential.sub_(fires.float(), alpha=self.neuron.threshold)
            if spikes is not None:
                spikes[t] = fires
            if counts is not None:
                counts += fires


def max_pool(maps: Tensor, pool: Pool | None) -> Tensor:
    """Max pooling of float32 channels-last maps `[n, h, w, units]`."""
    if pool is None:
        return maps
    pooled = max_pool2d(maps.permute(0, 3, 1, 2), pool.kernel, pool.stride, pool.padding)
    return pooled.permute(0, 2, 3, 1).contiguous()
