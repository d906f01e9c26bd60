import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import PermutationMethod, wilcoxon

from amb.stats.signed_rank import signed_rank, smallest_p


@settings(max_examples=40)
@given(st.lists(st.integers(-4, 4), min_size=2, max_size=9).filter(any))
def test_is_scipys_exact_permutation_test_with_pratts_zeros(differences: list[int]) -> None:
    """With any ties and zeros, p is the one that scipy finds by enumerating all signs."""
    d = np.array(differences, dtype=float)
    exact = wilcoxon(d, zero_method="pratt", method=PermutationMethod(n_resamples=2**12))
    assert signed_rank(d)[0] == pytest.approx(exact.pvalue, abs=1e-12)


def test_agrees_with_random_permutations_beyond_enumeration() -> None:
    """With 40 differences p lies within four standard errors of scipy's Monte Carlo estimate."""
    rng = np.random.default_rng(3)
    d = np.round(rng.normal(0.25, 1, 40), 1)
    method = PermutationMethod(n_resamples=20_000, rng=np.random.default_rng(4))
    estimate = wilcoxon(d, zero_method="pratt", method=method).pvalue
    p = signed_rank(d)[0]
    assert abs(p - estimate) < 4 * 2 * np.sqrt(p / 2 / 20_000)


def test_all_wins_give_the_smallest_p_there_is() -> None:
    """n wins without a tie: p is 2^(1-n), the balance 1."""
    assert signed_rank(np.arange(1.0, 9.0)) == (2.0**-7, 1.0, 8)
    assert smallest_p(8) == 2.0**-7


def test_ties_everywhere_are_not_evidence() -> None:
    """Only zeros: p is 1, not NaN."""
    assert signed_rank(np.zeros(5)) == (1.0, 0.0, 0)


def test_rounding_does_not_break_ties() -> None:
    """0.3 - 0.2 and 0.2 - 0.1 differ in the last bit, and rank equally all the same."""
    exact = signed_rank(np.array([1.0, -1.0, 2.0]))
    assert signed_rank(np.array([0.3 - 0.2, 0.1 - 0.2, 0.2])) == exact
