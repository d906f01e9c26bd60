"""The units for long runs of black boxes: drawn by rule, fresh, and none of them held out."""

from collections import Counter

from amb.catalogue.problems import expand
from amb.catalogue.suites import suite, suite_names
from amb.spec import ProblemId
from amb_solvers.shared.long_run_units import CONFIRMATION, EARLIER, SOLVED, TUNING, candidates, long_run_units
from amb_solvers.shared.tuning_units import tuning_units


def both() -> list[str]:
    return [problem for part in long_run_units() for problem in part]


def units(problems: list[str]) -> set[tuple[str, str, str]]:
    parts = [ProblemId.parse(problem) for problem in problems]
    return {(part.target, part.layer, unit) for part in parts for unit in part.unit.split("+")}


def test_units_are_the_same_in_every_draw_and_none_is_in_both_lists() -> None:
    tuning, confirmation = long_run_units()
    assert (tuning, confirmation) == long_run_units()
    assert len(units(tuning) | units(confirmation)) == len(tuning) + len(confirmation)


def test_every_network_has_as_many_units_and_none_is_held_out() -> None:
    for problems, each in zip(long_run_units(), (TUNING, CONFIRMATION), strict=True):
        assert set(Counter(network for network, _, _ in units(problems)).values()) == {each}
    networks = {network for network, _, _ in units(both())}
    assert len(networks) == 11
    assert not networks & {network for network, _, _ in units(expand("networks-held-out"))}


def test_no_suite_and_no_earlier_list_has_one_of_the_units() -> None:
    fresh = units(both())
    assert not fresh & units([problem for name in suite_names() for problem in suite(name).problems])
    assert not fresh & units([problem for part in tuning_units() for problem in part])
    earlier = {(network, *unit.rsplit("/", 1)) for network, found in EARLIER.items() for unit in found}
    assert not fresh & earlier


def test_units_that_draws_of_the_prior_solve_are_among_the_candidates_and_left_out() -> None:
    drawn = {problem.split("/", 1)[1] for problems in candidates().values() for problem in problems}
    assert set(SOLVED) <= drawn
    assert not set(SOLVED) & {problem.split("/", 1)[1] for problem in both()}
