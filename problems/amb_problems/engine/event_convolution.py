"""Event-driven convolutions: each spike adds its row of weights, and silent neurons cost nothing.

In the shipped networks, 11 to 31% of the neurons fire in a frame; a dense convolution multiplies zeros for the rest. On
a processor without a dot product of bytes, adding the rows of weights that spikes select takes a third of the time or
less, and gives the same integers.
"""

from dataclasses import replace
from functools import lru_cache
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amb_problems.engine import event_loops, processor
from amb_problems.engine.convolution import Convolution, has_integers
from amb_problems.engine.stages import Affine, Neuron
from amb_problems.engine.vector_sums import aligned

_CACHED = 48 << 10
"""Size in bytes of one kernel line of weights, below which four neurons are looked up at once."""
_SHORTS = np.iinfo(np.int16)


class EventConvolution:
    """An affine map of spikes on a CPU; gives the same bits as `Convolution`.

    Where a line of the kernel has few weights, the sums of every pattern of four neurons are tabulated: a quarter of
    the rows are added, without a branch that a processor could mispredict.

    Args:
        affine: the map; see `fits`.
        side: side of its square input maps.
        narrow: whether rows are stored as bytes and widened as they are added, since those of deep layers come from the
            second-level cache; None: on processors whose registers are narrow, too.
    """

    def __init__(self, affine: Affine, side: int, *, narrow: bool | None = None) -> None:
        self._output = (affine.output_side(side), affine.outputs)
        # A strided 1x1 convolution reads few positions, and only their spikes are listed.
        self._step = affine.stride if affine.kernel == 1 and affine.padding == 0 else 1
        self._affine = replace(affine, stride=affine.stride // self._step)
        outputs, inputs = affine.weight.shape[:2]
        padded = -(-outputs // event_loops.LANES) * event_loops.LANES
        self._quartets = inputs % 4 == 0 and affine.kernel * inputs * 4 * padded * 2 <= _CACHED
        self._spill = not holds_subsets(affine.weight.long().flatten(1))
        rows: NDArray[np.signedinteger] = _rows(affine, padded)
        if self._quartets:
            rows = _patterns(rows)
        elif processor.only_avx2() if narrow is None else narrow:
            rows = rows.astype(np.int8)
        self._rows = aligned(rows)
        self._scale, self._bias = (np.tile(each.numpy(), self._output[0]) for each in (affine.scale, affine.bias))

    @staticmethod
    def fits(affine: Affine) -> bool:
        """Whether 16 bits hold every sum of weights in a line of the kernel, as this algorithm requires."""
        return holds_subsets(affine.weight.long().permute(0, 2, 1, 3).flatten(2))

    def __call__(self, maps: Tensor) -> Tensor:
        """Currents float32 `[rows, side, side, outputs]` of uint8 maps `[rows, side, side, inputs]`, 0 or 1."""
        a, (side, outputs) = self._affine, self._output
        maps = maps[:, :: self._step, :: self._step]
        currents = torch.empty((len(maps), side, side, outputs), dtype=torch.float32)
        event_loops.convolve(
            maps.contiguous().numpy(), self._rows, self._quartets, self._spill, self._scale, self._bias,
            a.kernel, a.stride, a.padding, currents.numpy(),
        )  # fmt: skip
        return currents

    @property
    def fires(self) -> bool:
        """Whether `fire` is available: rows of weights fill the lines of the cache without padding."""
        return self._rows.shape[1] == self._affine.outputs

    def fire(self, spikes: Tensor, shortcut: Tensor | None, neuron: Neuron) -> Tensor:
        """Spikes of neurons under the currents of spikes, both uint8 `[frames, n, side, side, channels]`.

        The currents are not stored, so that neither memory nor its allocation limits the speed.

        Args:
            spikes: what the layer receives.
            shortcut: spikes (uint8) or currents (float32) of the shape of the result, added to the currents.
            neuron: the neuron model.
        """
        a, (side, outputs), (frames, n) = self._affine, self._output, spikes.shape[:2]
        spikes = spikes[:, :, :: self._step, :: self._step]
        out = torch.empty((frames, n, side, side, outputs), dtype=torch.uint8)
        added = torch.empty((frames, n, 0), dtype=torch.uint8) if shortcut is None else shortcut.view(frames, n, -1)
        event_loops.fire(
            spikes.contiguous().numpy(), self._rows, self._quartets, self._spill, self._scale, self._bias,
            a.kernel, a.stride, a.padding, added.numpy(),
            np.float32(neuron.decay), neuron.level, neuron.kept, neuron.taken, out.numpy(),
        )  # fmt: skip
        return out

    def operations(self, rows: int) -> int:
        """Multiplications and additions of the dense convolution for `rows` maps, including taps that see padding."""
        return 2 * rows * self._output[0] ** 2 * self._affine.weight.numel()


def holds_subsets(weights: Tensor) -> bool:
    """Whether 16 bits hold the sum of any subset of the weights along the last dimension."""
    return bool(weights.clamp(min=0).sum(-1).max() <= _SHORTS.max and weights.clamp(max=0).sum(-1).min() >= _SHORTS.min)


def _rows(affine: Affine, padded: int) -> NDArray[np.int16]:
    """A row of weights for each tap and input: int16 `[kernel * kernel * inputs, padded]`."""
    rows = np.zeros((affine.weight[0].numel(), padded), np.int16)
    rows[:, : affine.outputs] = affine.weight.permute(2, 3, 1, 0).reshape(-1, affine.outputs).numpy()
    return rows


def _patterns(rows: NDArray[np.int16]) -> NDArray[np.int16]:
    """For each group of four rows, the sums of their 16 subsets: int16 `[4 * rows, padded]`."""
    subsets = (np.arange(16)[:, None] >> np.arange(4)) & 1
    sums = np.einsum("sk,qkp->qsp", subsets, rows.reshape(-1, 4, rows.shape[1]))
    return np.ascontiguousarray(sums.reshape(-1, rows.shape[1]), dtype=np.int16)


@lru_cache(maxsize=1)
def events_are_faster() -> bool:
    """Whether event-driven convolution beats the dense one on this processor; timed once.

    The test layer has 64 units of which a fifth fire, as in the shipped networks. Both algorithms give the same bits.
    """
    generator = torch.Generator().manual_seed(0)
    weight = torch.randint(-32, 33, (64, 64, 3, 3), generator=generator, dtype=torch.int8)
    affine = Affine(weight, torch.full((64,), 0.25).float(), torch.zeros(64).float(), padding=1)
    spikes = (torch.rand((64, 8, 8, 64), generator=generator) < 0.2).to(torch.uint8)

    def seconds(convolution: Convolution | EventConvolution) -> float:
        convolution(spikes)
        taken = []
        for _ in range(3):
            start = perf_counter()
            convolution(spikes)
            taken.append(perf_counter() - start)
        return min(taken)

    dense = Convolution(affine, 8, arithmetic="integers" if has_integers() else "floats")
    return seconds(EventConvolution(affine, 8)) < seconds(dense)
