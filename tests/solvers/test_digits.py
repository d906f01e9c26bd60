"""Quantization covers every point of the grid exactly once."""

import numpy as np
import pytest

from amb.errors import SpecError
from amb_solvers.shared.digits import Digits, prime_factors


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("levels", [[64], [512, 2], [12, 7, 1, 30], [1, 1]])
def test_digits_and_levels_are_one_to_one(levels: list[int], order: str) -> None:
    """Every level of every mode has its own digits, all digits are used, and join inverts split."""
    digits = Digits(np.array(levels), order)
    assert np.prod(digits.levels) == np.prod(levels)
    points = np.random.default_rng(0).integers(0, levels, size=(500, len(levels)))
    split = digits.split(points)
    assert (split < digits.levels).all()
    np.testing.assert_array_equal(digits.join(split), points)


def test_the_least_significant_bit_comes_first_in_little_order() -> None:
    """Six is 0, 1, 1 in little and 1, 1, 0 in big order."""
    six = np.array([[6]])
    assert Digits(np.array([8]), "little").split(six).tolist() == [[0, 1, 1]]
    assert Digits(np.array([8]), "big").split(six).tolist() == [[1, 1, 0]]


def test_prime_factors() -> None:
    """A prime number of levels is one digit, and so is one level."""
    assert [prime_factors(n) for n in (1, 2, 7, 12, 64)] == [[1], [2], [7], [2, 2, 3], [2] * 6]


def test_an_unknown_order_is_refused() -> None:
    """The error names the wrong value."""
    with pytest.raises(SpecError, match="middle"):
        Digits(np.array([8]), "middle")
