"""The conformance kit: what every solver must hold, for one's own as for the built-in ones.

On the command line ``amb check my-solver``; with pytest, without a line of code ``pytest --amb-check my-solver``,
or in a test file::

    from amb.testing import SolverConformance

    class TestMySolver(SolverConformance):
        solver = "my-solver"  # a name, a spec, "module:Class", or the class itself
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amb.testing.cases import CASES as CASES
    from amb.testing.cases import Case as Case
    from amb.testing.check import Outcome as Outcome
    from amb.testing.check import check_solver as check_solver
    from amb.testing.conformance import SolverConformance as SolverConformance
    from amb.testing.subject import Subject as Subject

# Lazy, as pytest loads this package wherever `amb` is installed, and as the kit needs no pytest by itself.
_HOME = {
    "CASES": "amb.testing.cases",
    "Case": "amb.testing.cases",
    "Outcome": "amb.testing.check",
    "SolverConformance": "amb.testing.conformance",
    "Subject": "amb.testing.subject",
    "check_solver": "amb.testing.check",
}
__all__ = [*_HOME]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'amb.testing' has no attribute {name!r}")
