"""Families and suites: what the entry-point group `amb.problems` offers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amb.contracts.problem import Problem, UInt8Array
from amb.errors import SpecError
from amb.spec import Value


class Family(ABC):
    """All problems that share a generator and a target; registered as ``<generator>/<target>``.

    A family is made without loading any network; `layers` may read a model card, `problem` loads.
    """

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


@dataclass(frozen=True)
class RoundTrip:
    """The natural image whose way through the generator's encoder and back answers best.

    Attributes:
        value: the activation, of what comes back.
        index: the image's number in the data set's test half.
        candidate: its grid point.
    """

    value: float
    index: int
    candidate: tuple[int, ...]


def normalized(value: float, chance: float, best: float) -> float:
    """0 at chance, 1 at the best known value; NaN where both are one, or not known."""
    return (value - chance) / (best - chance) if best > chance else np.nan


@dataclass(frozen=True)
class Reference:
    """Reference points of one problem, all noise-free activations.

    Attributes:
        fingerprint: of the problem when they were measured; with other weights or another grid they are stale.
        chance, chance_q99: median and 99% quantile over random latents of the generator's prior, on the grid.
        natural, natural_index: the best image of the data set's test half and its number; None: no data set.
        best: the best known value, of a grid point, measured as solvers are.
        candidate: that grid point.
        provenance: how it was found.
        round_trip: the best natural image that the generator can show; None: no data set, or no encoder.
    """

    fingerprint: str
    chance: float
    chance_q99: float
    natural: float | None
    natural_index: int | None
    best: float
    candidate: tuple[int, ...]
    provenance: str
    round_trip: RoundTrip | None = None

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> "Reference":
        """The points that `dataclasses.asdict` made, read back from JSON.

        Raises:
            KeyError, TypeError: something is missing, or too much.
        """
        trip = content.get("round_trip")
        if trip is not None:
            trip = RoundTrip(**{**trip, "candidate": tuple(trip["candidate"])})
        return cls(**{**content, "candidate": tuple(content["candidate"]), "round_trip": trip})

    def normalized(self, value: float) -> float:
        """0 at chance, 1 at the best known value; NaN where both are one."""
        return normalized(value, self.chance, self.best)


@dataclass(frozen=True)
class Suite:
    """A named, versioned set of problems; registered in `amb.problems` under a name without a slash.

    Attributes:
        name, version: together they name the set for ever; changing the problems raises the version.
        problems: full ids, in the order of tables.
        budget: queries a run, unless the user says otherwise.
        seeds: runs for each problem and solver, unless the user says otherwise.
        description: one line for `amb problems list`.
    """

    name: str
    version: int
    problems: tuple[str, ...]
    budget: int
    seeds: int
    description: str
