import numpy as np
import pytest

from amb.errors import SpecError
from amb.problems import expand, family, problem, suite, suite_names
from amb_problems.suites import QUICK_SEED, draw


def test_units_of_quick_are_drawn_by_the_stated_rule() -> None:
    """Nobody has picked units by hand: the rule and the seed give the list. No unit of the network is dead."""
    drawn = draw(family("cifar10-sngan/snn-cnn").layers(), 3, seed=QUICK_SEED, dead={})
    assert list(suite("quick").problems) == [f"cifar10-sngan/snn-cnn/{unit}" for unit in drawn]


@pytest.mark.parametrize("name", suite_names())
def test_every_problem_of_a_suite_can_be_evaluated(name: str) -> None:
    for problem_id in suite(name).problems:
        made = problem(problem_id)
        values = made.evaluate(made.space.sample_prior(2, np.random.default_rng(0)))
        assert made.id == problem_id
        assert values.shape == (2,)
        assert ((values >= 0) & (values <= 1)).all()


def test_quick_holds_problems_of_every_difficulty() -> None:
    """Smooth units that answer to almost everything, and needles that are silent for most images."""
    rng, silent = np.random.default_rng(0), []
    for problem_id in suite("quick").problems:
        made = problem(problem_id)
        silent.append((made.evaluate(made.space.sample_prior(48, rng)) == 0).mean())
    assert min(silent) == 0
    assert 0.5 < max(silent) < 1


def test_a_suite_can_be_asked_for_in_its_version_only() -> None:
    assert suite("quick-1") == suite("quick")
    with pytest.raises(SpecError, match="version 1, not 7"):
        suite("quick-7")


def test_suites_expand_and_ids_are_problems() -> None:
    assert expand("quick") == list(suite("quick").problems)
    assert expand("cifar10-sngan/snn-cnn/out/0..2[grid=quantile]")[2] == "cifar10-sngan/snn-cnn/out/2[grid=quantile]"
