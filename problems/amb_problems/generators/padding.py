"""The smallest batches that a generator's network renders to the same bits as a large chunk."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from amb.contracts.generator import Latents
from amb.errors import PluginError

if TYPE_CHECKING:
    from torch import Tensor


LEVEL = 2 / 255
"""A grey level, where black is -1 and white 1: far more than rounding changes in a place of a batch."""

_NO_FUNCTION = (
    "the generator's network answers the same latents with other numbers, or with NaN; expected one that draws no "
    "random numbers, keeps nothing from one call to the next and has finite weights"
)


class Padding:
    """Cuts a batch into chunks, and pads each as little as its bits allow.

    Kernels sum in an order that depends on the batch size and on the processor, and in some sizes on a row's place.
    Which sizes agree is tried out when a size is first needed: the network's outputs are compared before they are
    rounded to pixels, where another order of summation changes nearly every number.

    Args:
        outputs: the network, latents -> floating point, row by row.
        sample: one whole chunk of typical latents, float32 [chunk, d].
    """

    def __init__(self, outputs: Callable[[Latents], "Tensor"], sample: Latents) -> None:
        self._outputs, self._sample = outputs, sample
        self._sizes: dict[int, int] = {}

    def chunks(self, rows: Latents, threads: int = 1) -> list[Latents]:
        """`rows` in chunks, at least one, shared evenly by the threads; only the last is padded, with zeros."""
        whole = len(self._largest[0])
        count = max(1, -(-len(rows) // whole))
        shared = -(-count // threads) * threads
        if len(rows) >= shared * whole // 2:  # smaller chunks would cost more than an idle thread
            count = shared
        each = self.size(max(1, -(-len(rows) // count)))
        chunks = [rows[start : start + each] for start in range(0, max(1, len(rows)), each)]
        return [*chunks[:-1], self._padded(chunks[-1])]

    def size(self, rows: int) -> int:
        """The smallest batch size from `rows` on that gives every row the bits that it has in the largest chunk.

        Raises:
            PluginError: not even the largest chunk has the same bits again.
        """
        if rows not in self._sizes:
            sizes = range(rows, len(self._largest[0]) + 1)
            if (found := next((size for size in sizes if self._equal(size)), None)) is None:
                raise PluginError(_NO_FUNCTION)
            self._sizes[rows] = found
        return self._sizes[rows]

    def mixes(self) -> str | None:
        """Where a row gets another image of the same latents; None: nowhere.

        Raises:
            PluginError: the same rows do not have the same bits again.
        """
        import torch

        if not torch.equal(self._outputs(self._sample), self.whole):
            raise PluginError(_NO_FUNCTION)
        alike = self._outputs(np.repeat(self._sample[:1], len(self._sample), 0))
        if not torch.equal(alike[:1], self.whole[:1]):
            return "beside other latents"
        return "in another place of a batch" if (alike - alike[:1]).abs().max() > LEVEL else None

    def _padded(self, rows: Latents) -> Latents:
        padded = np.zeros((self.size(max(1, len(rows))), *rows.shape[1:]), rows.dtype)
        padded[: len(rows)] = rows
        return padded

    def _equal(self, size: int) -> bool:
        import torch

        rows, outputs = self._largest
        # From one end and, backwards, from the other, so that a row is also seen at another place.
        return torch.equal(self._outputs(rows[:size]), outputs[:size]) and torch.equal(
            self._outputs(_backwards(rows)[:size]), outputs.flip(0)[:size]
        )

    @cached_property
    def whole(self) -> "Tensor":
        """The network's outputs of the sample."""
        return self._outputs(self._sample)

    @cached_property
    def _largest(self) -> "tuple[Latents, Tensor]":
        """The largest chunk, of the sample's halves, in which a row has the same bits at any place, and its outputs."""
        import torch

        rows, outputs = self._sample, self.whole
        while len(rows) > 1 and not torch.equal(self._outputs(_backwards(rows)), outputs.flip(0)):
            rows = rows[: len(rows) // 2]
            outputs = self._outputs(rows)
        return rows, outputs


def _backwards(rows: Latents) -> Latents:
    return rows[::-1].copy()
