"""The second list of held-out units is what its rule draws, and nothing that was looked at before."""

from amb.catalogue.problems import expand
from amb.catalogue.suites import suite
from amb.spec import ProblemId
from amb_solvers.shared.fresh_units import HELD_OUT_SUITE, fresh_units
from amb_solvers.shared.tuning_units import SUITES, unit_of


def test_they_are_other_units_of_the_same_networks_layers_and_generators() -> None:
    fresh, known = fresh_units(), expand(HELD_OUT_SUITE)
    assert len(set(fresh)) == len(fresh) == len(known)
    in_suites = {unit_of(problem) for name in SUITES for problem in suite(name).problems}
    assert not {unit_of(problem) for problem in fresh} & in_suites
    kinds = [
        sorted((part.generator, part.target) for part in map(ProblemId.parse, problems)) for problems in (fresh, known)
    ]
    assert kinds[0] == kinds[1]
    assert list(expand(",".join(fresh))) == fresh
