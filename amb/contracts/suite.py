"""The suite contract: what the entry-point group `amb.suites` offers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Suite:
    """A named, versioned set of problems; registered in the entry-point group `amb.suites`.

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
