"""The contract of the neuron kernels, which compute the spikes of a layer from its currents.

Maps are channels-last: currents float32 `[frames, n, h, w, units]`, spikes uint8 (0 or 1) of the same shape, periods
uint8 `[n, h, w, units]` (0: never fires). Two implementations give the same bits: `CompiledKernels` on the CPU and
`EagerKernels` on any device.
"""

from typing import Protocol

from torch import Tensor

from amb_problems.engine.stages import Pool


class Kernels(Protocol):
    """Neuron kernels for one neuron model and number of frames."""

    @property
    def superposes(self) -> bool:
        """Whether `Superposition` can follow; if not, the second layer runs on `trains`."""

    def hold(self, current: Tensor, pool: Pool | None) -> Tensor:
        """Spikes under constant currents `[n, h, w, units]`, max-pooled first by `pool`; for any neuron."""

    def periods(self, current: Tensor, pool: Pool | None) -> Tensor:
        """Periods under constant currents `[n, h, w, units]`, max-pooled first by `pool`; for a periodic neuron."""

    def period_counts(self, periods: Tensor) -> Tensor:
        """Spikes of each unit over all frames and positions: int64 `[n, units]`."""

    def trains(self, periods: Tensor, pool: Pool | None) -> Tensor:
        """The spikes of periodic neurons, max-pooled afterwards by `pool`."""

    def fire(self, current: Tensor, shortcut: Tensor | None) -> Tensor:
        """Spikes of neurons that receive a current, plus a shortcut's spikes (uint8) or currents (float32)."""

    def fire_counts(self, current: Tensor, shortcut: Tensor | None) -> Tensor:
        """The spikes of `fire`, counted over frames and positions: int64 `[n, units]`."""

    def counts(self, spikes: Tensor) -> Tensor:
        """Spikes of each unit over all frames and positions: int64 `[n, units]`."""
