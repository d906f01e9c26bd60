"""Every built-in solver passes the kit that third-party solvers are checked with, and one rule more."""

from functools import cache

import numpy as np
import pytest

from amb.catalogue.plugins import plugins
from amb.testing import CASES, Case, Subject
from amb.testing.conformance import verify
from amb.testing.subject import drive, rows

# Half a minute each: all cases run on request (-m slow), these cases always.
SLOW = {"portfolio-transition", "protes-reference"}
ALWAYS = {
    "candidates on the grid",
    "same seed, same candidates",
    "seeds of a study",
    "neuron: sometimes failing (NaN)",
}

# Solvers whose packages need not be installed.
EXTRAS = {"evosax": "evosax", "optuna": "optuna", "protes-reference": "protes"}

SPECS = [name for name, plugin in plugins("solvers").items() if plugin.location.startswith("amb_solvers.")] + [
    "nevergrad[name=DiscreteOnePlusOne,parametrization=transition]",
    "nevergrad[name=OnePlusOne,parametrization=choice]",
    "nevergrad[name=TwoPointsDE]",
]

subject = cache(Subject)


@pytest.mark.parametrize(
    ("spec", "case"),
    [
        pytest.param(spec, case, id=f"{spec}-{case.name}", marks=pytest.mark.slow if slow else ())
        for spec in SPECS
        for case in CASES
        for slow in [spec in SLOW and case.name not in ALWAYS]
    ],
)
def test_conforms(spec: str, case: Case) -> None:
    """The kit's rule holds."""
    if spec in EXTRAS:
        pytest.importorskip(EXTRAS[spec])
    verify(case, subject(spec))


@pytest.mark.parametrize("spec", [*(spec for spec in SPECS if spec not in SLOW), "nevergrad[workers=4]"])
def test_limits_change_nothing_that_is_asked(spec: str) -> None:
    """However a caller or a budget cuts the asks, the candidates are the same."""
    if spec in EXTRAS:
        pytest.importorskip(EXTRAS[spec])
    one = subject(spec)
    np.testing.assert_array_equal(rows(drive(one.make(), limits=(1, 7, 2, 3))), rows(one.run()))
