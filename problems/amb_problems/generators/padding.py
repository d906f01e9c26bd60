"""The smallest batches that a generator's network renders to the same bits as a whole chunk."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from amb.contracts.generator import Latents
from amb.errors import PluginError

if TYPE_CHECKING:
    from torch import Tensor


class Padding:
    """Cuts a batch into chunks, and pads each as little as its bits allow.

    Kernels sum in an order that depends on the batch size and on the processor. Which sizes agree with the whole chunk
    is tried out when a size is first needed: the network's outputs are compared before they are rounded to pixels,
    where another order of summation changes nearly every number.

    Args:
        outputs: the network, latents -> floating point, row by row.
        sample: one whole chunk of typical latents, float32 [chunk, d].
    """

    def __init__(self, outputs: Callable[[Latents], "Tensor"], sample: Latents) -> None:
        self._outputs, self._sample = outputs, sample
        self._sizes: dict[int, int] = {}

    def chunks(self, rows: Latents, threads: int = 1) -> list[Latents]:
        """`rows` in chunks, at least one, shared evenly by the threads; only the last is padded, with zeros."""
        whole = len(self._sample)
        count = max(1, -(-len(rows) // whole))
        shared = -(-count // threads) * threads
        if len(rows) >= shared * whole // 2:  # smaller chunks would cost more than an idle thread
            count = shared
        each = self.size(max(1, -(-len(rows) // count)))
        chunks = [rows[start : start + each] for start in range(0, max(1, len(rows)), each)]
        return [*chunks[:-1], self._padded(chunks[-1])]

    def size(self, rows: int) -> int:
        """The smallest batch size from `rows` on that gives every row the bits that it has in the whole chunk.

        Raises:
            PluginError: not even the whole chunk has the same bits again.
        """
        if rows not in self._sizes:
            sizes = range(rows, len(self._sample) + 1)
            if (found := next((size for size in sizes if self._equal(size)), None)) is None:
                raise PluginError(
                    "the generator's network answers the same latents with other numbers, or with NaN; expected one "
                    "that draws no random numbers, keeps nothing from one call to the next and has finite weights"
                )
            self._sizes[rows] = found
        return self._sizes[rows]

    def mixes(self) -> bool:
        """Whether a row's numbers depend on the other rows of its chunk.

        Raises:
            PluginError: the whole chunk does not have the same bits again.
        """
        import torch

        self.size(len(self._sample))
        alone = self._outputs(np.repeat(self._sample[:1], len(self._sample), 0))
        return not torch.equal(alone[:1], self.whole[:1])

    def _padded(self, rows: Latents) -> Latents:
        padded = np.zeros((self.size(max(1, len(rows))), *rows.shape[1:]), rows.dtype)
        padded[: len(rows)] = rows
        return padded

    def _equal(self, size: int) -> bool:
        import torch

        # From both ends of the chunk, so that a row is also seen at another position.
        starts = dict.fromkeys((0, len(self._sample) - size))
        return all(
            torch.equal(self._outputs(self._sample[start:][:size]), self.whole[start:][:size]) for start in starts
        )

    @cached_property
    def whole(self) -> "Tensor":
        """The network's outputs of the sample."""
        return self._outputs(self._sample)
