"""What problems maximize: a unit's spikes as a share of all that it could have fired."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from amb_problems.engine.build import network_of
from amb_problems.engine.evaluator import Evaluator
from amb_problems.targets.target import SpikingTarget

UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float64]


class SpikingActivations:
    """Activations of a spiking target's units: spikes / (frames x positions of the feature map), in [0, 1].

    Membranes are at rest before every image, so an image's activation depends on nothing shown before it.
    """

    def __init__(self, target: SpikingTarget) -> None:
        self.target = target
        self.evaluator = Evaluator(network_of(target), device=str(target.device))
        self._most = {name: target.frames * layer.positions for name, layer in target.layers.items()}

    def activations(self, images: UInt8Array, units: Sequence[tuple[str, int]]) -> FloatArray:
        """The activation of unit `units[i]`, a (layer, channel) pair, for image `i`: float64 `[n]`.

        Args:
            images: uint8 `[n, 32, 32, 3]`.

        Raises:
            SpecError: no such layer.
        """
        counts = self.evaluator.counts(images, units)
        return counts / np.array([self._most[layer] for layer, _ in units], np.float64)
