"""Units' responses to natural images, which scale the activations that are not shares of spikes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

_LOW, _HIGH = "low/", "high/"


@dataclass(frozen=True)
class Scale:
    """The mean and the strongest response of a layer's units to the data set's test half, float32 `[channels]` each."""

    low: Float32Array
    high: Float32Array

    @classmethod
    def measured(cls, responses: npt.NDArray[np.floating]) -> "Scale":
        """The scale from the responses to all images, `[images, channels]`."""
        return cls(responses.mean(0, dtype=np.float64).astype(np.float32), responses.max(0).astype(np.float32))

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], layer: str, *, units: int) -> "Scale":
        """The scale of a layer with so many units in a checkpoint.

        Raises:
            KeyError: it has none.
            ValueError: the scale is of another number of units.
        """
        low, high = tensors[_LOW + layer], tensors[_HIGH + layer]
        for tensor in (low, high):
            if tensor.dtype != torch.float32 or tensor.shape != (units,):
                raise ValueError(f"the scale of {layer} is {tensor.dtype} {list(tensor.shape)}, not {units} numbers")
        return cls(low.numpy(), high.numpy())

    def tensors(self, layer: str) -> dict[str, Tensor]:
        """The scale as a checkpoint keeps it: `low/<layer>` and `high/<layer>`."""
        return {_LOW + layer: torch.from_numpy(self.low), _HIGH + layer: torch.from_numpy(self.high)}

    def __call__(self, units: IntArray, values: FloatArray) -> FloatArray:
        """Responses of some units, one value each, rescaled so that `low` is 0 and `high` is 1.

        A unit that responds identically to all images is only shifted by its mean.
        """
        low, high = self.low[units].astype(np.float64), self.high[units].astype(np.float64)
        return (values - low) / np.where(high > low, high - low, 1.0)
