"""The Fréchet distance against cases whose answer is known."""

import numpy as np
import pytest

from amb_problems.training.frechet import frechet_distance

FEATURES = np.random.default_rng(2).standard_normal((500, 6)) @ np.diag([1, 2, 3, 1, 0.5, 0]) + 1


def test_nothing_is_nearer_than_itself() -> None:
    """A sample has distance zero from itself, also where a feature never varies."""
    assert frechet_distance(FEATURES, FEATURES) == pytest.approx(0, abs=1e-6)


def test_a_shift_costs_its_square() -> None:
    """With equal covariances only the means count."""
    assert frechet_distance(FEATURES, FEATURES + np.array([3, 4, 0, 0, 0, 0])) == pytest.approx(25)


def test_a_scale_costs_the_squared_difference_of_deviations() -> None:
    """Twice the features: |mean|² + tr(C), as A = C and B = 4C commute."""
    expected = FEATURES.mean(0) @ FEATURES.mean(0) + np.trace(np.cov(FEATURES, rowvar=False))
    assert frechet_distance(FEATURES, 2 * FEATURES) == pytest.approx(expected)


def test_it_is_symmetric() -> None:
    """Which sample is which does not matter, covariances that do not commute included."""
    turn = np.linalg.qr(np.random.default_rng(5).standard_normal((6, 6)))[0]
    other = FEATURES[:300] @ turn
    assert frechet_distance(FEATURES, other) == pytest.approx(frechet_distance(other, FEATURES))


def test_a_single_feature_will_do() -> None:
    """[n, 1] features: the squared difference of means and deviations."""
    a, b = FEATURES[:, :1], FEATURES[:, 1:2]
    expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert frechet_distance(a, b) == pytest.approx(expected)


@pytest.mark.parametrize("other", [np.zeros((5, 4)), np.zeros((1, 6)), np.zeros(6)])
def test_samples_that_do_not_fit_are_refused(other: np.ndarray) -> None:
    """Different features, a single row or no rows at all are errors."""
    with pytest.raises(ValueError, match="expected features"):
        frechet_distance(FEATURES, other)
