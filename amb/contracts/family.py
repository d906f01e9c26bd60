"""The family contract: what the entry-point group `amb.families` offers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from amb.contracts.problem import Problem, UInt8Array
from amb.errors import SpecError
from amb.spec import Value


class Family(ABC):
    """All problems that share a generator and a target; registered as ``<generator>/<target>``.

    A family is made without loading any network; `layers` may read a model card, `problem` loads.
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
        """The problem of several units of a layer, ascending and distinct, whose mean activation counts. Optional.

        Raises:
            SpecError: no such unit or option, or the family has problems of single units only.
        """
        raise SpecError(f"{type(self).__name__} has problems of single units only, none of {len(units)} units")

    def natural_images(self, data: Path | None) -> UInt8Array | None:
        """Test images of the target's data set, uint8[n, h, w, c], for `amb references`; None: there are none.

        Args:
            data: folder of the data sets; what is missing is downloaded.

        Raises:
            DataError: they can be neither read nor downloaded.
        """
        return None
