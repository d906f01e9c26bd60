"""The reference study that is published with the project."""

import pytest

from amb.catalogue.problems import problem
from amb.catalogue.solvers import resolve
from amb.comparison.baseline import Baseline, find_baseline
from amb.study.published import PublishedStudy
from amb_reports.reference import folder

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def reference() -> Baseline:
    return find_baseline(True)


def test_it_is_small_enough_for_a_repository() -> None:
    assert sum(file.stat().st_size for file in folder().iterdir()) < 10e6


def test_it_matches_the_current_networks_and_solvers(reference: Baseline) -> None:
    """New solvers are compared with its runs: after a change of weights or of a solver they must be rerun."""
    manifest = reference.study.manifest
    for name, fingerprint in manifest.problems.items():
        assert problem(name).fingerprint == fingerprint, name
    versions = manifest.solvers
    for spec in reference.solvers:
        assert versions[spec] == resolve(spec).cls.version, spec


def test_no_run_is_missing_and_none_failed(reference: Baseline) -> None:
    assert isinstance(reference.study, PublishedStudy)
    asked = reference.settings
    problems, seeds = asked.problems, asked.seeds
    assert len(seeds) >= 15
    found = set()
    for record, trace in reference.study.records():
        assert record.status == "ok", record.plan
        assert len(trace) == asked.budget
        found.add((record.plan.problem, record.plan.solver, record.plan.seed))
    assert found == {(p, s, seed) for p in problems for s in reference.solvers for seed in seeds}
