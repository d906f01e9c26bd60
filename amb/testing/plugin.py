"""``pytest --amb-check SPEC``: the kit's cases as tests; without the option this plug-in does nothing.

Pytest imports this file in every environment that has `amb`, so it may import nothing but pytest.
"""

from collections.abc import Iterator
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("amb").addoption(
        "--amb-check",
        action="append",
        default=[],
        metavar="SPEC",
        help="also run amb's conformance kit on this solver: a name, a spec or module:Class; may be repeated",
    )


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add a test for every case of every solver named by the option."""
    for spec in config.getoption("--amb-check"):
        items += Conformance.from_parent(session, name=spec).collect()


class Conformance(pytest.Collector):
    """The cases of one solver."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item per case."""
        from amb.errors import AmbError
        from amb.testing.cases import CASES
        from amb.testing.subject import Subject

        try:
            subject = Subject(self.name)
        except AmbError as error:
            raise pytest.UsageError(f"--amb-check {self.name}: {error}") from error
        for case in CASES:
            yield ConformanceItem.from_parent(self, name=case.name, subject=subject, case=case)


class ConformanceItem(pytest.Item):
    """One case of one solver."""

    def __init__(self, *, subject: Any, case: Any, **rest: Any) -> None:
        super().__init__(**rest)
        self.subject, self.case = subject, case

    def runtest(self) -> None:
        """Run the case."""
        from amb.testing.conformance import verify

        verify(self.case, self.subject)

    def reportinfo(self) -> tuple[str, None, str]:
        """Location and name, for reports."""
        return "amb", None, f"{self.parent.name}: {self.name}"  # type: ignore[union-attr]
