"""The first spiking layer in closed form: under a constant current a neuron fires with a fixed period.

With hard reset to zero, every interval between spikes repeats the first one. Before its first spike, the potential of a
neuron never falls under a constant current >= 0, and both float32 roundings are monotone, so "has fired by frame n" is
a step function of the current: one threshold per frame, found by bisection over the float32 numbers themselves.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from amb_problems.engine.stages import Neuron


@lru_cache(maxsize=16)
def period_edges(neuron: Neuron, frames: int) -> NDArray[np.float32]:
    """The smallest constant current that fires by frame n = 1..frames: float32 `[frames]`, non-increasing.

    The period of a current is 1 + the number of edges above it; a period beyond `frames` means that it never fires.
    """
    steps = np.arange(1, frames + 1)
    low = np.zeros(frames, np.uint32)  # never fires
    high = np.full(frames, np.float32(2 * neuron.threshold).view(np.uint32))  # fires at once
    while np.any(high - low > 1):
        middle = low + (high - low) // 2
        fires = _potential(middle.view(np.float32), steps, neuron) >= neuron.level
        high, low = np.where(fires, middle, high), np.where(fires, low, middle)
    edges = high.view(np.float32)
    edges.setflags(write=False)
    return edges


def _potential(current: NDArray[np.float32], steps: NDArray[np.int64], neuron: Neuron) -> NDArray[np.float32]:
    """The potential after `steps` frames without any reset."""
    decay = np.float32(neuron.decay)
    potential = np.zeros_like(current)
    for step in range(int(steps.max())):
        potential = np.where(step < steps, potential * decay + current, potential)
    return potential
