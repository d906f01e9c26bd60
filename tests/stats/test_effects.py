import numpy as np
import pytest

from amb.stats.bayes import posterior_weights, signed_rank_posterior
from amb.stats.effects import a12, hodges_lehmann


def test_hodges_lehmann_is_the_median_of_walsh_averages() -> None:
    """By hand: of 1, 2, 6 the averages are 1, 1.5, 2, 3.5, 4, 6."""
    assert hodges_lehmann(np.array([1.0, 2.0, 6.0])) == pytest.approx(2.75)


def test_a12_counts_ties_as_half() -> None:
    """By hand, of four couples: two wins, a tie, a loss."""
    assert a12(np.array([1.0, 3.0]), np.array([1.0, 0.0])) == pytest.approx(3.5 / 4)
    assert a12(np.array([1.0]), np.array([2.0, 3.0])) == 0.0


def test_posterior_of_clear_and_of_equal_cases() -> None:
    """Large differences: better almost surely; none: practically equal; probabilities add up to 1."""
    rng = np.random.default_rng(0)
    weights = posterior_weights(12, rng=rng)

    def chances(differences: np.ndarray, rope: float | np.ndarray = 0.01) -> tuple[float, float, float]:
        return signed_rank_posterior(differences, rope=rope, weights=weights)

    assert chances(np.full(12, 0.2))[0] > 0.99
    assert chances(np.full(12, 0.001))[1] > 0.99
    assert sum(chances(rng.normal(0, 0.1, 12))) == pytest.approx(1.0)
    assert chances(-np.full(12, 0.2))[2] > 0.99
    each = np.where(np.arange(12) < 3, 0.01, 1.0)
    assert chances(np.full(12, 0.2), each)[1] > 0.9, "each problem has a region of its own"
