"""The suite contract: what the entry-point group `amb.suites` offers."""

from dataclasses import dataclass

from amb.errors import SpecError
from amb.spec import as_text, explained, whole_number


@dataclass(frozen=True)
class Suite:
    """A named, versioned set of problems; registered in the entry-point group `amb.suites`.

    Attributes:
        name, version: together they identify the set permanently: a different set needs a higher version.
        problems: full ids, in the order in which tables show them.
        budget: queries of a run, unless the user sets it.
        seeds: runs of each problem and solver, unless the user sets it.
        description: one line for `amb problems list`.

    Raises:
        SpecError: one of them is missing or of another kind.
    """

    name: str
    version: int
    problems: tuple[str, ...]
    budget: int
    seeds: int
    description: str

    def __post_init__(self) -> None:
        for what, text in (("name", self.name), ("description", self.description)):
            as_text(text, f"a suite's {what}")
        for what, number in (("version", self.version), ("budget", self.budget), ("number of seeds", self.seeds)):
            whole_number(number, f"a suite's {what}", 1)
        listed = self.problems
        if not (isinstance(listed, tuple | list) and listed and all(isinstance(one, str) for one in listed)):
            raise SpecError(f"a suite's problems must be ids, such as ('mine/bowl/only/0',), got {listed!r:.80}")


Suite.__init__ = explained("amb.Suite")(Suite.__init__)  # type: ignore[method-assign]
