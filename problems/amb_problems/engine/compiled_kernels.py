"""Neuron kernels on the CPU: numpy views of the tensors, passed to the compiled loops of `neuron_loops`."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from amb_problems.engine import neuron_loops
from amb_problems.engine.eager_kernels import max_pool
from amb_problems.engine.firing_periods import period_edges
from amb_problems.engine.stages import Neuron, Pool

_NO_POOL = Pool(1, 1)


@dataclass(frozen=True)
class CompiledKernels:
    """See `Kernels`."""

    neuron: Neuron
    frames: int
    superposes: ClassVar[bool] = True

    def periods(self, current: Tensor, pool: Pool | None) -> Tensor:
        """See `Kernels`."""
        pool = pool or _NO_POOL
        n, height, width, units = current.shape
        out = torch.empty((n, pool.output_side(height), pool.output_side(width), units), dtype=torch.uint8)
        edges = period_edges(self.neuron, self.frames)
        edges = np.pad(edges, (0, -edges.size % 8), constant_values=-np.inf)
        neuron_loops.periods(current.numpy(), edges, self.frames, pool.kernel, pool.stride, pool.padding, out.numpy())
        return out

    def period_counts(self, periods: Tensor) -> Tensor:
        """See `Kernels`."""
        out = torch.zeros((periods.shape[0], periods.shape[-1]), dtype=torch.int64)
        neuron_loops.period_counts(periods.numpy(), self.frames, out.numpy())
        return out

    def trains(self, periods: Tensor, pool: Pool | None) -> Tensor:
        """See `Kernels`."""
        pool = pool or _NO_POOL
        n, height, width, units = periods.shape
        shape = (self.frames, n, pool.output_side(height), pool.output_side(width), units)
        out = torch.empty(shape, dtype=torch.uint8)
        neuron_loops.trains(periods.numpy(), pool.kernel, pool.stride, pool.padding, out.numpy())
        return out

    def hold(self, current: Tensor, pool: Pool | None) -> Tensor:
        """See `Kernels`."""
        current = max_pool(current, pool)
        out = torch.empty((self.frames, *current.shape), dtype=torch.uint8)
        neuron_loops.hold(current.view(-1).numpy(), *self._constants, out.view(self.frames, -1).numpy())
        return out

    def fire(self, current: Tensor, shortcut: Tensor | None) -> Tensor:
        """See `Kernels`."""
        out = torch.empty(current.shape, dtype=torch.uint8)
        received, spikes = current.view(self.frames, -1).numpy(), out.view(self.frames, -1).numpy()
        if shortcut is None:
            neuron_loops.fire(received, *self._constants, spikes)
        else:
            neuron_loops.fire_sum(received, shortcut.view(self.frames, -1).numpy(), *self._constants, spikes)
        return out

    def fire_counts(self, current: Tensor, shortcut: Tensor | None) -> Tensor:
        """See `Kernels`."""
        return self.counts(self.fire(current, shortcut))

    def counts(self, spikes: Tensor) -> Tensor:
        """See `Kernels`."""
        frames, n, *_, units = spikes.shape
        out = torch.empty((n, units), dtype=torch.int64)
        neuron_loops.count(spikes.view(frames, n, -1, units).numpy(), out.numpy())
        return out

    @property
    def _constants(self) -> tuple[np.float32, np.float32, np.float32, np.float32]:
        """The neuron's constants as the loops take them."""
        neuron = self.neuron
        return np.float32(neuron.decay), neuron.level, neuron.kept, neuron.taken
