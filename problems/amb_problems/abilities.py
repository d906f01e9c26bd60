"""Abilities that a generator or a target may have beyond its contract; problems test them with `isinstance`."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from amb.contracts.problem import UInt8Array
from amb.contracts.space import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

Units = Sequence[tuple[str, int]]
"""Pairs of layer and unit."""


@runtime_checkable
class DeviceGenerator(Protocol):
    """A generator that can leave its images on the device that made them."""

    def device_images(self, latents: NDArray[np.float32]) -> "Tensor":
        """float32[n, d] -> uint8[n, h, w, c] on the device, identical to `images`."""


@runtime_checkable
class DifferentiableGenerator(Protocol):
    """A generator through which gradients flow."""

    def pixels(self, latents: "Tensor") -> "Tensor":
        """float32[n, d] -> float32[n, h, w, c] in 0..255, rounded, with the gradient of the unrounded pixels."""


@runtime_checkable
class DeviceTarget(Protocol):
    """A target that takes images on its device."""

    def device_activations(self, images: "Tensor", units: Units) -> FloatArray:
        """Like `activations`, for uint8[n, h, w, c] on the device; only the responses are copied to the host."""


@runtime_checkable
class DifferentiableTarget(Protocol):
    """A target with a relaxation through which gradients flow."""

    def relaxed(self, pixels: "Tensor", layer: str) -> "Tensor":
        """Pixels float32[n, h, w, c] in 0..255 -> activations of the layer's units, float32[n, units]."""


@runtime_checkable
class ManyUnits(Protocol):
    """A target that measures many units of one image in one pass."""

    def all_activations(self, images: UInt8Array, units: Units) -> FloatArray:
        """The response of every unit to every image: float64[n, len(units)]."""


@runtime_checkable
class CountsSpikes(Protocol):
    """A target whose activations are shares of all possible spikes."""

    @property
    def spikes(self) -> Mapping[str, int]:
        """The largest possible number of spikes of a unit, by spiking layer."""


@runtime_checkable
class ClassifiesFrames(Protocol):
    """A classifier that can be shown a different image in every frame."""

    @property
    def frames(self) -> int | None:
        """Number of frames per stimulus."""

    def classify_frames(self, n: int, frames: Callable[[int], UInt8Array]) -> FloatArray:
        """Class probabilities for stimulus i's frames, uint8[frames, h, w, c]: float64[n, classes]."""


@runtime_checkable
class SeesFrames(Protocol):
    """A target that can be shown a different image in every frame."""

    @property
    def frames(self) -> int | None:
        """Number of frames per stimulus; None: it has the methods, but takes a whole stimulus at once."""

    def frame_activations(
        self, n: int, frames: Callable[[int], UInt8Array], layer: str, units: tuple[int, ...]
    ) -> FloatArray:
        """The response of units of a layer to stimulus i's frames, uint8[frames, h, w, c]: float64[n, len(units)]."""
