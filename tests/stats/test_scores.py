import numpy as np
import pytest

from amb.errors import AmbError, SpecError
from amb.stats.scores import blocks, median_scores, score_runs


def test_one_median_for_each_problem_and_solver(study) -> None:  # type: ignore[no-untyped-def]
    """Seeds are reduced before anything is tested: the block is the problem."""
    finals = np.random.default_rng(0).uniform(0.1, 0.9, (3, 2, 5))
    wide = blocks(median_scores(score_runs(*study(finals))), "score")
    assert wide.shape == (3, 2)
    np.testing.assert_allclose(wide.to_numpy(), np.median(finals, axis=2))


def test_a_failed_run_is_censored_not_dropped(study) -> None:  # type: ignore[no-untyped-def]
    """A crash scores the floor and ranks below a run that found nothing at all."""
    finals = np.array([[[np.nan], [0.0], [0.5]]])
    scored = score_runs(*study(finals)).set_index("solver")
    assert scored.loc["a", "score"] == 0.0
    assert scored["ordered"].is_monotonic_increasing
    assert scored["ordered"].nunique() == 3
    assert list(scored["failed"]) == [True, False, False]


def test_saturated_runs_are_ordered_by_queries(study) -> None:  # type: ignore[no-untyped-def]
    """Both reach 1.0: the faster is ahead, by less than any difference in activation, and scores the same."""
    runs, traces = study(np.array([[[1.0], [1.0], [0.99999]]]))
    traces[runs["problem"][0], "a", 0][3:] = 1.0
    scored = score_runs(runs, traces).set_index("solver")
    assert scored.loc["a", "score"] == scored.loc["b", "score"] == 1.0
    assert scored.loc["a", "ordered"] > scored.loc["b", "ordered"] > scored.loc["c", "ordered"]


@pytest.mark.parametrize("unit", [1.0, 1e-3, 1e-6, 3e-8])
def test_breaking_ties_reverses_no_order_in_any_unit(study, unit: float) -> None:  # type: ignore[no-untyped-def]
    """Half of the runs of `a` fail, so half of what a failure costs reaches its median; it is the best all the same."""
    finals = unit * np.array([[[np.nan, np.nan, 0.3, 0.3], [0.02] * 4, [0.01] * 4, [0.3, 0.0, 0.0, 0.3], [0.0] * 4]])
    medians = median_scores(score_runs(*study(finals))).set_index("solver")
    assert list(medians["ordered"].sort_values(ascending=False).index) == ["d", "a", "b", "c", "e"]
    assert medians.loc["a", "score"] == medians.loc["d", "score"]


def test_a_value_of_one_is_not_a_ceiling_if_others_are_higher(study) -> None:  # type: ignore[no-untyped-def]
    """On a problem with unbounded activations 1.0 is a number like any other."""
    scored = score_runs(*study(np.array([[[1.0], [1.7]]])))
    np.testing.assert_array_equal(scored["ordered"], scored["score"])


@pytest.mark.parametrize("metric", ["final", "anytime", "queries", "seconds"])
def test_every_metric_is_finite_and_higher_is_better(study, metric: str) -> None:  # type: ignore[no-untyped-def]
    """A run that is better, earlier and cheaper scores higher by any metric; a crash is the worst."""
    runs, traces = study(np.array([[[0.9], [0.5], [np.nan]]]))
    traces[runs["problem"][0], "a", 0][5:] = 0.9
    scored = score_runs(runs, traces, metric=metric).set_index("solver")
    assert np.isfinite(scored[["score", "ordered"]].to_numpy()).all()
    assert scored.loc["a", "ordered"] > scored.loc["b", "ordered"] >= scored.loc["c", "ordered"]


def test_only_complete_problems_are_blocks(study) -> None:  # type: ignore[no-untyped-def]
    """A problem that one solver has not run yet is left out for all."""
    runs, traces = study(np.full((3, 2, 2), 0.5))
    runs = runs[~((runs["problem"] == "gan/net0/conv/1") & (runs["solver"] == "b"))]
    assert list(blocks(median_scores(score_runs(runs, traces))).index) == ["gan/net0/conv/0", "gan/net0/conv/2"]


def test_an_invalid_runs_table_is_refused(study) -> None:  # type: ignore[no-untyped-def]
    """No rows, a column too few, a run twice, an unknown metric: one clear error each."""
    runs, traces = study(np.full((2, 2, 1), 0.5))
    with pytest.raises(AmbError, match="empty"):
        score_runs(runs.iloc[:0], traces)
    with pytest.raises(AmbError, match="budget"):
        score_runs(runs.drop(columns="budget"), traces)
    with pytest.raises(AmbError, match="twice"):
        score_runs(runs.iloc[[0, 1, 0]], traces)
    with pytest.raises(SpecError, match="did you mean final"):
        score_runs(runs, traces, metric="finale")
