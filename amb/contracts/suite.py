"""The suite contract: what the entry-point group `amb.suites` offers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Suite:
    """A named, versioned set of problems; registered in the entry-point group `amb.suites`.

    Attributes:
        name, version: together they identify the set permanently: a different set needs a higher version.
        problems: full ids, in the order in which tables show them.
        budget: queries of a run, unless the user sets it.
        seeds: runs of each problem and solver, unless the user sets it.
        description: one line for `amb problems list`.
    """

    name: str
    version: int
    problems: tuple[str, ...]
    budget: int
    seeds: int
    description: str
