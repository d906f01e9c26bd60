"""The table of what a query costs is measured from runs, not written by hand."""

import pytest

from amb.catalogue.problems import problem
from amb_problems.tables.query_costs import STAGES, at_peak, cost

PROBLEM = "cifar10-sngan-int8/snn-cnn/sn2/8"


@pytest.mark.usefixtures("one_thread")
def test_every_stage_of_a_query_costs_something() -> None:
    spent = cost(PROBLEM, "random", budget=4, seeds=2, repetitions=1)
    assert all(getattr(spent, stage) > 0 for stage in STAGES)
    assert spent.total == sum(getattr(spent, stage) for stage in STAGES)


@pytest.mark.usefixtures("one_thread")
def test_the_peak_counts_the_layers_up_to_the_unit() -> None:
    """At the same peak, a deeper unit costs more, and the int8 generator as much as the one in floating point."""
    peaks = {"int8": 100.0, "float32": 100.0}
    first, second, exact = (
        at_peak(problem(name), peaks)  # type: ignore[arg-type]
        for name in ("cifar10-sngan/snn-cnn/sn1/29", "cifar10-sngan/snn-cnn/sn2/8", PROBLEM)
    )
    assert first.generator == second.generator == exact.generator > 0
    assert second.target == exact.target > first.target > 0
