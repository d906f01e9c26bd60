"""The target contract: what the entry-point group `amb.targets` offers and `amb.target` returns."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from amb.contracts.family import Family
from amb.contracts.problem import Problem, UInt8Array
from amb.contracts.space import FloatArray
from amb.errors import SpecError, unknown
from amb.spec import Value


class Target(ABC):
    """A network whose units are driven. With a generator it makes problems, one by one or as a family.

    Attributes:
        name: what problem ids call it.
        device: where it runs, "cpu" or "cuda".
        layer: the layer of problems that name none; None: every problem has to name one.
        layers: number of units of every layer that can be probed, in the order of the network.
    """

    plugin_kind: ClassVar[str] = "targets"
    name: str
    device: str
    layer: str | None

    @property
    @abstractmethod
    def layers(self) -> Mapping[str, int]:
        """Number of units of every layer."""

    @abstractmethod
    def activations(self, images: UInt8Array, units: Sequence[tuple[str, int]]) -> FloatArray:
        """The response of unit `units[i]`, a (layer, unit) pair, to image `i`: uint8[n, h, w, c] -> float64[n].

        A response depends on its own image only, to the bit.

        Raises:
            SpecError: no such layer or unit, or images of another shape or type.
        """

    @abstractmethod
    def family(self, generator: object) -> Family:
        """All problems with a generator: a shipped one by its name, or an object with `images(latents)`.

        Raises:
            SpecError: no such generator.
        """

    def problem(self, generator: object, unit: int, *, layer: str | None = None, **options: Value) -> Problem:
        """The problem of one unit; options are those of a problem's spec.

        Raises:
            SpecError: no such generator, layer, unit or option.
        """
        chosen = self.layer if layer is None else layer
        if chosen is None:
            raise SpecError(f"say which layer of {self.name}: layer=..., one of {', '.join(self.layers)}")
        if chosen not in self.layers:
            raise unknown(f"layer of {self.name}", chosen, self.layers)
        if not 0 <= unit < self.layers[chosen]:
            raise SpecError(f"no unit {unit} in {self.name}/{chosen}; its units are 0..{self.layers[chosen] - 1}")
        return self.family(generator).problem(chosen, unit, device=self.device, **options)
