"""The family contract: all problems of one generator and one target."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from amb.contracts.natural import NaturalResponses
from amb.contracts.problem import Problem, UInt8Array
from amb.contracts.returned import are_layers
from amb.errors import PluginError, SpecError
from amb.foreign import contained
from amb.spec import Value


class Family(ABC):
    """All problems that share a generator and a target.

    Most families are composed: the entry point `network` of the group `amb.families`, a function of a `Generator` and a
    `Target`, composes any two that fit. A family of another kind, such as an analytic function, is
    registered in the same group under ``<generator>/<target>``.

    Creating a family loads no network; `layers` and `cards` may read model cards, `problem` loads.
    """

    plugin_kind: ClassVar[str] = "families"

    @abstractmethod
    def layers(self) -> Mapping[str, int]:
        """Number of units of every layer that can be probed, in the order of the network."""

    @abstractmethod
    def problem(self, layer: str, unit: int, *, device: str = "cpu", **options: Value) -> Problem:
        """The problem of one unit on one device; options are those of the problem's spec.

        Raises:
            SpecError: no such unit or option.
            CheckpointError: a network is missing or damaged.
        """

    def group(self, layer: str, units: tuple[int, ...], *, device: str = "cpu", **options: Value) -> Problem:
        """The problem whose activation is the mean over several units of a layer, ascending and distinct. Optional.

        Raises:
            SpecError: no such unit or option, or the family has problems of single units only.
        """
        raise SpecError(f"{type(self).__name__} has problems of single units only, got {len(units)} units")

    def natural_images(self, data: Path | None) -> UInt8Array | None:
        """Test images of the target's data set, uint8[n, h, w, c], for `amb references`; None: it has none.

        Args:
            data: folder of the data sets; what is missing is downloaded.

        Raises:
            DataError: they can be neither read nor downloaded.
        """
        return None

    def natural_labels(self, data: Path | None) -> NDArray[np.int64] | None:
        """The classes of `natural_images`, int64[n], by the numbers of `Problem.classes`; None: they have none."""
        return None

    def natural_responses(self) -> NaturalResponses | None:
        """How the target's units respond to its data set, as shipped with it; None if that is not shipped. Optional."""
        return None

    def cards(self) -> Mapping[str, Mapping[str, object]]:
        """The cards of its parts, such as "generator" and "target", for `amb problems show`. Optional."""
        return {}


def layers_of(family: Family) -> dict[str, int]:
    """What `Family.layers` returns: the number of units of every layer.

    Raises:
        PluginError: it returned something else.
    """
    with contained():
        found = family.layers()
    if not are_layers(found):
        raise PluginError(
            f"layers() of {type(family).__name__} returned {found!r:.80}; expected a mapping of the layers' names to "
            "their numbers of units, such as {'sn1': 64}"
        )
    return {layer: int(number) for layer, number in found.items()}
