"""The three classes of solvers, by what they see besides the values of their queries; ranked apart everywhere."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Sight = Literal["values", "images", "gradients"]


@dataclass(frozen=True)
class SolverClass:
    """A class of solvers.

    Attributes:
        name: in tables, "" for the class that needs no mark.
        knows: what it knows, to complete "which sees ...".
        ranked: whether its members are ranked among themselves; a class that is not ranked is shown for reference.
    """

    name: str
    knows: str
    ranked: bool


CLASSES: Mapping[Sight, SolverClass] = MappingProxyType(
    {
        "values": SolverClass("", "the values of its queries only", ranked=True),
        "images": SolverClass(
            "image-seeing", "the images behind its queries and can render and differentiate the generator", ranked=True
        ),
        "gradients": SolverClass("white-box", "the gradients of the target", ranked=False),
    }
)
"""By `Solver.sees`, in the order in which tables show them."""


def leading_of(present: Iterable[Sight]) -> Sight | None:
    """The class that a comparison of such solvers is about: the first that is ranked; None if none is."""
    known = set(present)
    return next((sight for sight in CLASSES if sight in known and CLASSES[sight].ranked), None)
