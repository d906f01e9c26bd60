"""The target contract: what the entry-point group `amb.targets` offers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from amb.contracts.family import Family
from amb.contracts.problem import Problem, UInt8Array
from amb.contracts.space import FloatArray
from amb.spec import Value


class Target(ABC):
    """A network whose units are driven; made by `amb.target`.

    Attributes:
        name: what problem ids call it.
        layers: number of units of every layer that can be probed, in the order of the network.
        fingerprint: a hash of everything that activations depend on.
    """

    name: str
    layers: Mapping[str, int]
    fingerprint: str

    @abstractmethod
    def activations(self, images: UInt8Array, units: Sequence[tuple[str, int]]) -> FloatArray:
        """The response of unit `units[i]`, a (layer, unit) pair, to image `i`: uint8[n, h, w, c] -> float64[n].

        A response depends on its own image only, to the bit.

        Raises:
            SpecError: no such layer or unit, or images of another shape or type.
        """

    @abstractmethod
    def family(self, generator: object) -> Family:
        """The problems behind a generator: a shipped one by its name, or an object with `images(latents)`."""

    def problem(self, generator: object, unit: int, *, layer: str | None = None, **options: Value) -> Problem:
        """The problem of one unit; `layer` is that of the target by default, options are those of a problem's spec.

        Raises:
            SpecError: no such generator, layer, unit or option.
        """
        from amb.errors import SpecError, unknown

        chosen = layer if layer is not None else self.layer
        if chosen is None:
            raise SpecError(f"say which layer of {self.name}; there are: {', '.join(self.layers)}")
        if chosen not in self.layers:
            raise unknown(f"layer of {self.name}", chosen, self.layers)
        if not 0 <= unit < self.layers[chosen]:
            raise SpecError(f"no unit {unit} in {self.name}/{chosen}; its units are 0..{self.layers[chosen] - 1}")
        return self.family(generator).problem(chosen, unit, device=self.device, **options)

    layer: str | None = None
    """The layer that problems are made of unless they name another."""
    device: str = "cpu"


__all__ = ["NDArray", "Target", "np"]
