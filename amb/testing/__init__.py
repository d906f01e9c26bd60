"""The conformance kit: the rules that every solver must follow, built-in or your own.

Use ``amb check my-solver`` on the command line, ``pytest --amb-check my-solver`` without a test file, or a test class::

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

# Lazy: pytest loads this package in every environment that has `amb`, and the kit itself needs no pytest.
_MODULES = {
    "CASES": "amb.testing.cases",
    "Case": "amb.testing.cases",
    "Outcome": "amb.testing.check",
    "SolverConformance": "amb.testing.conformance",
    "Subject": "amb.testing.subject",
    "check_solver": "amb.testing.check",
}
__all__ = [*_MODULES]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'amb.testing' has no attribute {name!r}")
