"""A study that grows until a difference is shown keeps its error rate over all looks."""

import numpy as np
import pandas as pd
import pytest

from amb.errors import SpecError
from amb.stats import Question, analyse
from amb.stats.pairs import compare_pairs
from amb.stats.spending import alpha_at, spent


@pytest.mark.parametrize("looks", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_all_looks_together_spend_alpha(alpha: float, looks: int) -> None:
    rates = [alpha_at(alpha, look, looks) for look in range(1, looks + 1)]
    assert sum(rates) == pytest.approx(alpha)
    assert all(0 < rate <= alpha * (1 + 1e-9) for rate in rates)
    assert looks == 1 or rates[0] < alpha / looks, "O'Brien and Fleming spend little at first"


def test_the_spending_function_is_that_of_lan_and_demets() -> None:
    """Their table for alpha 0.05, two-sided: 0.0056 at half of the information."""
    assert spent(0.05, 0.5) == pytest.approx(0.0056, abs=5e-5)
    assert spent(0.05, 1.0) == pytest.approx(0.05)


def growing_study(rng: np.random.Generator, looks: int, effect: float = 0.0) -> list[pd.DataFrame]:
    """Medians of three solvers at each look: each adds ten problems."""
    scores = rng.normal(0, 1, (10 * looks, 3)) + effect * np.arange(3)
    return [pd.DataFrame(scores[: 10 * look], columns=list("abc")) for look in range(1, looks + 1)]


RATES = [alpha_at(0.05, look, 5) for look in range(1, 6)]


def least_p(studies: int, effect: float = 0.0) -> np.ndarray:
    """The smallest corrected p-value of any pair at each of five looks, float[studies, looks]."""
    rng = np.random.default_rng(3)
    return np.array([[compare_pairs(t)["p_holm"].min() for t in growing_study(rng, 5, effect)] for _ in range(studies)])


def test_looking_often_without_spending_claims_too_much_and_with_it_does_not() -> None:
    """Five looks at equal solvers: about 10% of studies claim a difference at 0.05 a look, at most 5% with spending."""
    equal = least_p(150)
    assert (equal <= 0.05).any(axis=1).mean() > 0.06
    assert (equal <= RATES).any(axis=1).mean() <= 0.08
    assert (least_p(20, effect=1.0) <= RATES).any(axis=1).all(), "and true differences are still found"


def test_a_look_claims_at_its_own_rate_and_says_so(study) -> None:  # type: ignore[no-untyped-def]
    """p = 0.031 is a claim of a study that looks once, and none at the first of three looks."""
    finals = np.stack([np.linspace(0.6, 0.9, 6), np.full(6, 0.5)], axis=1)[:, :, None].repeat(3, axis=2)
    once = analyse(*study(finals))
    first = analyse(*study(finals), look=1, looks=3)
    assert once.pairs["differs"].all()
    assert not first.pairs["differs"].any()
    assert "This is look 1 of 3" in first.basis
    assert "look" not in once.basis.replace("looks", "")
    assert "Underpowered" in first.verdict
    assert Question(look=2, looks=3).to_options() == ["--look", "2", "--looks", "3"]


@pytest.mark.parametrize("given", [{"look": 4, "looks": 3}, {"look": 0}, {"looks": 1.5}, {"look": True}])
def test_a_look_is_one_of_the_looks(given: dict[str, object]) -> None:
    with pytest.raises(SpecError, match=r"looks? must be a"):
        Question(**given)  # type: ignore[arg-type]
