import numpy as np
import pytest

from amb.stats.queries import FRACTIONS, anytime_area, best_so_far, first_hits, queries_to, ranges, way


def test_first_hits_counts_queries_from_one_and_skips_failed_ones() -> None:
    """The first query is number 1; NaN is a query spent and nothing learnt; never is inf."""
    told = np.array([np.nan, 0.2, 0.1, 0.5])
    np.testing.assert_array_equal(first_hits(told, [0.1, 0.2, 0.3, 0.6]), [2, 2, 4, np.inf])
    np.testing.assert_array_equal(best_so_far(told, floor=0.0), [0.0, 0.2, 0.2, 0.5])


def test_targets_lie_between_floor_and_best_known(study) -> None:  # type: ignore[no-untyped-def]
    """51 targets, the last the best value itself, and the run that found it reaches them all."""
    table = queries_to(*study(np.array([[[0.7], [0.35]]])))
    assert len(FRACTIONS) == 51
    assert table["target"].max() == 0.7
    reached = table.groupby("solver")["reached"].sum()
    assert list(reached) == [51, 25]


def test_a_problem_without_any_activation_has_no_targets(study) -> None:  # type: ignore[no-untyped-def]
    """All zeros: nothing could be reached, so nothing is counted as reached."""
    assert queries_to(*study(np.zeros((1, 2, 2)))).empty


def test_ranges_know_negative_activations_and_failures(study) -> None:  # type: ignore[no-untyped-def]
    """The floor is 0 or the lowest value on record; a failed run has no say."""
    bounds = ranges(*study(np.array([[[-2.0], [3.0]], [[np.nan], [0.4]]])))
    assert bounds[["floor", "start", "best"]].to_numpy().tolist() == [[-2.0, -2.0, 3.0], [0.0, 0.0, 0.4]]


def test_reference_points_set_the_targets_whoever_runs(study) -> None:  # type: ignore[no-untyped-def]
    """Between chance and best known, versioned with the suite; where there are none, or they are one, runs set them."""
    runs, traces = study(np.array([[[0.5], [0.3]], [[0.6], [0.4]], [[0.6], [0.4]]]))
    number = runs["unit"].astype(int)
    runs["chance"] = number.map({0: 0.2, 1: np.nan, 2: 0.7})
    runs["best_known"] = number.map({0: 0.8, 1: np.nan, 2: 0.7})
    known = ranges(runs, traces)
    assert known["anchored"].tolist() == [True, False, False]
    assert known["start"].tolist() == [0.2, 0.0, 0.0]
    assert known["best"].tolist() == [0.8, 0.6, 0.6]
    assert known["floor"].tolist() == [0.0, 0.0, 0.0], "what a failed run scores is not chance"
    first = runs["unit"] == "0"
    for shown in (runs[first], runs[first & (runs["solver"] == "b")]):
        hits = queries_to(shown, traces)
        assert hits["target"].max() == 0.8
        assert hits["target"].min() == pytest.approx(0.2 + 0.6 / 51)
    reached = queries_to(runs[first], traces).groupby("solver")["reached"].sum()
    assert reached.to_dict() == {"a": 25, "b": 8}, "51 times 0.3/0.6 and 0.1/0.6, rounded down"
    assert way(runs["final"], runs["problem"], known)[first].tolist() == pytest.approx([1 / 2, 1 / 6])


def test_what_exceeds_the_best_known_reaches_every_target(study) -> None:  # type: ignore[no-untyped-def]
    """Points are of the suite's version: a better run does not move them."""
    runs, traces = study(np.array([[[0.9], [0.3]]]))
    runs = runs.assign(chance=0.1, best_known=0.5)
    assert ranges(runs, traces)["best"].tolist() == [0.5]
    assert queries_to(runs, traces).groupby("solver")["reached"].sum().tolist() == [51, 25]


def test_anytime_area_is_a_mean_over_the_logarithm_of_queries() -> None:
    """A constant curve has its height; rising at query 10 of 99 leaves half of the log axis."""
    assert anytime_area(np.full(99, 0.3), 99) == pytest.approx(0.3)
    told = np.zeros(99)
    told[9:] = 1.0  # ln(100/10) / ln(100) = 1/2
    assert anytime_area(told, 99) == pytest.approx(0.5)


def test_a_run_that_stopped_early_keeps_its_last_value() -> None:
    """Reaching the target early is no disadvantage."""
    assert anytime_area(np.array([0.5]), 1000) == pytest.approx(0.5)
