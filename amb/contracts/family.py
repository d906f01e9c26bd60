"""Families and suites: what the entry-point group `amb.problems` offers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from amb.contracts.problem import Problem
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
