import numpy as np
import pytest

from amb.stats.queries import FRACTIONS, anytime_area, best_so_far, first_hits, queries_to


def test_first_hits_counts_queries_from_one_and_skips_failed_ones() -> None:
    """The first query is number 1; NaN is a query spent and nothing learnt; never is inf."""
    values = np.array([np.nan, 0.2, 0.1, 0.5])
    np.testing.assert_array_equal(first_hits(values, [0.1, 0.2, 0.3, 0.6]), [2, 2, 4, np.inf])
    np.testing.assert_array_equal(best_so_far(values, floor=0.0), [0.0, 0.2, 0.2, 0.5])


def test_thresholds_lie_between_floor_and_best_known(study) -> None:  # type: ignore[no-untyped-def]
    """52 thresholds, the last the best value itself, and the run that found it reaches them all."""
    table = queries_to(*study(np.array([[[0.7], [0.35]]])))
    assert len(FRACTIONS) == 52
    assert table["threshold"].max() == 0.7
    reached = table.groupby("solver")["reached"].sum()
    assert list(reached) == [52, 26]


def test_a_problem_without_any_activation_has_no_thresholds(study) -> None:  # type: ignore[no-untyped-def]
    """All zeros: nothing could be reached, so nothing is counted as reached."""
    assert queries_to(*study(np.zeros((1, 2, 2)))).empty


def test_anytime_area_is_a_mean_over_the_logarithm_of_queries() -> None:
    """A constant curve has its height; rising at query 10 of 99 leaves half of the log axis."""
    assert anytime_area(np.full(99, 0.3), 99) == pytest.approx(0.3)
    values = np.zeros(99)
    values[9:] = 1.0  # ln(100/10) / ln(100) = 1/2
    assert anytime_area(values, 99) == pytest.approx(0.5)


def test_a_run_that_stopped_early_keeps_its_last_value() -> None:
    """Reaching a high value early is not a disadvantage."""
    assert anytime_area(np.array([0.5]), 1000) == pytest.approx(0.5)
