"""The kit as a class of tests, for pytest."""

from functools import cache
from typing import ClassVar

import pytest

from amb.contracts.solver import Solver
from amb.testing.cases import CASES, Case
from amb.testing.check import try_case
from amb.testing.subject import Subject


class SolverConformance:
    """Derive a class whose name starts with ``Test`` and set `solver`; every case becomes a test.

    Attributes:
        solver: a name, a spec, ``module:Class``, or the class itself.
    """

    solver: ClassVar[str | type[Solver]]

    @pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
    def test_conformance(self, case: Case) -> None:
        """One rule of the kit."""
        verify(case, _subject(self.solver))


def verify(case: Case, subject: Subject) -> None:
    """Run a case; fail or skip the running test if the rule is broken or does not apply."""
    outcome = try_case(case, subject)
    if outcome.result == "skipped":
        pytest.skip(outcome.reason)
    if outcome.result == "broken":
        pytest.fail(f"{subject.spec}: {case.name}: {outcome.reason}\nRule: {case.rule}", pytrace=False)


# One subject per solver, so that its cases share runs.
_subject = cache(Subject)
