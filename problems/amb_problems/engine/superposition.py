"""The second layer of a network whose first layer is periodic: each neuron is added once, instead of in every frame.

In frame t, the second layer receives the spikes of all neurons whose period divides t + 1. Convolution is linear and
the sums are exact, so the neurons of one period are convolved once, and a frame is the sum over its periods. Few
neurons share a period, so each adds the weights of its channel to the positions that see it.
"""

import numpy as np
import torch
from torch import Tensor

from amb_problems.engine import superposition_loops
from amb_problems.engine.event_convolution import holds_subsets
from amb_problems.engine.stages import Neuron, Pool, Stage
from amb_problems.engine.vector_sums import aligned

_NO_POOL = Pool(1, 1)
_LANES = 8


class Superposition:
    """Spikes of the second layer on a CPU; see `fits`.

    Args:
        stage: the second stage.
        side: side of its square input maps.
        neuron: with a fixed period under a constant current.
        frames: number of frames.
    """

    def __init__(self, stage: Stage, side: int, neuron: Neuron, frames: int) -> None:
        affine, self._pool = stage.affine, stage.pool or _NO_POOL
        self._affine, self._neuron, self._frames = affine, neuron, frames
        self._side = self._pool.output_side(affine.output_side(side))
        outputs, inputs, kernel, _ = affine.weight.shape
        # A neuron's row holds its weights to the positions from right to left, which are adjacent in a map of currents.
        rows = affine.weight.flip(3).permute(2, 1, 3, 0).reshape(kernel, inputs, kernel * outputs).numpy()
        self._rows = np.zeros((kernel, inputs, -(-kernel * outputs // _LANES) * _LANES), _sums(affine.weight))
        self._rows[:, :, : kernel * outputs] = rows
        self._rows = aligned(self._rows)
        self._scale, self._bias = (np.tile(each.numpy(), self._side) for each in (affine.scale, affine.bias))

    @staticmethod
    def fits(stage: Stage) -> bool:
        """Whether this algorithm can compute the stage: nothing but one convolution of stride 1, and plain pooling."""
        affine, pool = stage.affine, stage.pool or _NO_POOL
        simple = affine.stride == 1 and affine.padding < affine.kernel and pool.padding == 0
        return simple and stage.shortcut is None

    def __call__(self, periods: Tensor) -> Tensor:
        """Spikes uint8 `[frames, n, side, side, outputs]` of periods uint8 `[n, side, side, inputs]`."""
        shape = (self._frames, len(periods), self._side, self._side, self._affine.outputs)
        out = torch.empty(shape, dtype=torch.uint8)
        superposition_loops.superpose(
            periods.numpy(), self._rows, self._affine.kernel, self._affine.padding, self._pool.kernel,
            self._pool.stride, self._scale, self._bias, np.float32(self._neuron.decay), self._neuron.level, out.numpy(),
        )  # fmt: skip
        return out


def _sums(weight: Tensor) -> type[np.signedinteger]:
    """The integers that hold every sum: those of any frame add up some of an output's weights."""
    return np.int16 if holds_subsets(weight.long().flatten(1)) else np.int32
