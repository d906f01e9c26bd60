"""The gap between chance and the best known value: what scores and thresholds are measured by."""

import numpy as np
import pytest

from amb.stats.gap import gap_closed, gap_closed_on, ranges
from amb.stats.queries import queries_to


def test_the_share_of_the_gap_that_a_value_closes() -> None:
    """0 at chance, 1 at the best known value, beyond both outside [0, 1]; unknown without a gap or a value."""
    np.testing.assert_allclose(gap_closed([0.1, 0.5, 0.9, 1.3, 0.0], 0.1, 0.9), [0, 0.5, 1, 1.5, -0.125])
    chance, best = [0.4, 0.5, np.nan, 0.1, 0.1], [0.4, 0.3, 0.9, np.nan, 0.9]
    assert np.isnan(gap_closed([0.4, 0.4, 0.4, 0.4, np.nan], chance, best)).all()


def test_ranges_know_negative_activations_and_failures(study) -> None:  # type: ignore[no-untyped-def]
    """The floor is 0 or the lowest value on record; a failed run has no say."""
    bounds = ranges(*study(np.array([[[-2.0], [3.0]], [[np.nan], [0.4]]])))
    assert bounds[["floor", "start", "best"]].to_numpy().tolist() == [[-2.0, -2.0, 3.0], [0.0, 0.0, 0.4]]


def test_reference_points_set_the_thresholds_whichever_solvers_run(study) -> None:  # type: ignore[no-untyped-def]
    """Between chance and best known, fixed with the suite; the runs set them if there are no points, or no gap."""
    runs, traces = study(np.array([[[0.5], [0.3]], [[0.6], [0.4]], [[0.6], [0.4]]]))
    number = runs["unit"].astype(int)
    runs["chance"] = number.map({0: 0.2, 1: np.nan, 2: 0.7})
    runs["best_known"] = number.map({0: 0.8, 1: np.nan, 2: 0.7})
    known = ranges(runs, traces)
    assert known["anchored"].tolist() == [True, False, False]
    assert known["start"].tolist() == [0.2, 0.0, 0.0]
    assert known["best"].tolist() == [0.8, 0.6, 0.6]
    assert known["floor"].tolist() == [0.0, 0.0, 0.0], "the score of a failed run is not chance"
    first = runs["unit"] == "0"
    for shown in (runs[first], runs[first & (runs["solver"] == "b")]):
        hits = queries_to(shown, traces)
        assert hits["threshold"].max() == 0.8
        assert hits["threshold"].min() == pytest.approx(0.2 + 0.6 / 52)
    reached = queries_to(runs[first], traces).groupby("solver")["reached"].sum()
    assert reached.to_dict() == {"a": 26, "b": 8}, "52 times 0.3/0.6 and 0.1/0.6, rounded down"
    assert gap_closed_on(runs["final"], runs["problem"], known)[first].tolist() == pytest.approx([1 / 2, 1 / 6])


def test_a_problem_without_a_gap_has_none_closed(study) -> None:  # type: ignore[no-untyped-def]
    """All zeros: no division by zero, and no solver is given credit."""
    runs, traces = study(np.zeros((1, 2, 1)))
    assert gap_closed_on(runs["final"], runs["problem"], ranges(runs, traces)).tolist() == [0, 0]


def test_a_value_above_the_best_known_reaches_every_threshold(study) -> None:  # type: ignore[no-untyped-def]
    """Reference points belong to a version of the suite: a better run does not move them."""
    runs, traces = study(np.array([[[0.9], [0.3]]]))
    runs = runs.assign(chance=0.1, best_known=0.5)
    assert ranges(runs, traces)["best"].tolist() == [0.5]
    assert queries_to(runs, traces).groupby("solver")["reached"].sum().tolist() == [52, 26]
