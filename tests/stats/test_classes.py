"""Solvers of other classes change nothing about black boxes: white boxes are not ranked, image-seeing ones apart."""

import numpy as np
import pandas as pd
import pytest

from amb.errors import AmbError
from amb.stats import Question, analyse, competing, shown
from amb.stats.metrics import cells_of
from amb.stats.queries import ranges
from amb_reports.page.board import common_bounds, view

METRICS = ("final", "anytime", "queries", "seconds")


@pytest.fixture
def both(study):  # type: ignore[no-untyped-def]
    """Two solvers on eight problems, and a white-box one that is better everywhere."""
    finals = np.random.default_rng(0).uniform(0.1, 0.6, (8, 3, 2))
    finals[:, 2] = 0.9
    runs, traces = study(finals, solvers=("a", "b", "slope"))
    return runs.assign(sees=np.where(runs["solver"] == "slope", "gradients", "values")), traces


@pytest.mark.parametrize("metric", METRICS)
def test_the_results_of_the_others_are_the_same_with_it_and_without(both, metric: str) -> None:  # type: ignore[no-untyped-def]
    runs, traces = both
    found = analyse(runs, traces, Question(metric), resamples=50)
    alone = analyse(competing(runs), traces, Question(metric), resamples=50)
    for table in ("scored", "medians", "omnibus", "pairs", "problem_tests", "ranking"):
        first, second = (getattr(a, table).drop(columns="sees", errors="ignore") for a in (found, alone))
        pd.testing.assert_frame_equal(first.reset_index(drop=True), second.reset_index(drop=True))
    assert (found.verdict, found.basis) == (alone.verdict, alone.basis)
    assert list(found.ranking["solver"]) == list(alone.table["solver"])


def test_it_is_below_the_table_without_place_or_test(both) -> None:  # type: ignore[no-untyped-def]
    found = analyse(*both, resamples=50)
    assert list(found.table["solver_class"]) == ["", "", "white-box"]
    last = found.table.iloc[-1]
    assert (last["solver"], last["score"], last["letters"]) == ("slope", 0.9, "")
    assert pd.isna(last["place"])
    assert pd.isna(last["p_holm"])
    assert last["hit_share"] == 1, "of thresholds that the others set"
    text = shown(found.table)
    assert text["solver"].iloc[-1] == "slope (white-box)"
    assert text["Holm p vs best"].iloc[-1] == "not ranked"
    assert text["wins/ties/losses"].iloc[-1] == "–"


def test_it_sets_no_threshold(both) -> None:  # type: ignore[no-untyped-def]
    """Its traces are among those given, and the best known value is still that of the others."""
    runs, traces = both
    assert ranges(competing(runs), traces)["best"].max() < 0.7


def test_alone_it_cannot_be_ranked(both) -> None:  # type: ignore[no-untyped-def]
    runs, traces = both
    with pytest.raises(AmbError, match="slope is never ranked"):
        analyse(runs[runs["sees"] == "gradients"], traces)


@pytest.fixture
def three(study):  # type: ignore[no-untyped-def]
    """Two black boxes, two image-seeing solvers that are better, and a white box, on twelve problems of one network."""
    finals = np.random.default_rng(1).uniform(0.1, 0.6, (12, 5, 3))
    finals[:, 2] += 0.3
    finals[:, 3] += 0.2
    finals[:, 4] = 0.95
    runs, traces = study(finals, solvers=("a", "b", "eye", "glance", "slope"))
    sees = {"a": "values", "b": "values", "eye": "images", "glance": "images", "slope": "gradients"}
    return runs.assign(sees=runs["solver"].map(sees)), traces


@pytest.mark.parametrize("metric", METRICS)
def test_image_seeing_solvers_change_nothing_about_black_boxes(three, metric: str) -> None:  # type: ignore[no-untyped-def]
    runs, traces = three
    found = analyse(runs, traces, Question(metric), resamples=50)
    alone = analyse(competing(runs), traces, Question(metric), resamples=50)
    assert set(alone.ranking["solver"]) == {"a", "b"}
    for table in ("scored", "medians", "omnibus", "pairs", "ranking"):
        first, second = (getattr(a, table).drop(columns="sees", errors="ignore") for a in (found, alone))
        pd.testing.assert_frame_equal(first.reset_index(drop=True), second.reset_index(drop=True))
    assert (found.verdict, found.basis) == (alone.verdict, alone.basis)


def test_each_class_is_ranked_by_itself_and_marked(three) -> None:  # type: ignore[no-untyped-def]
    found = analyse(*three, resamples=50)
    assert list(found.table["solver_class"]) == ["", "", "image-seeing", "image-seeing", "white-box"]
    seeing = found.aside[found.aside["solver_class"] == "image-seeing"]
    assert list(seeing["place"]) == [1, 2], "places within the class"
    assert list(seeing["letters"].str.isupper()) == [True, True], "capital letters, which no black box shares"
    text = shown(found.table)
    assert text["solver"].iloc[2].endswith("(image-seeing)")


def test_a_comparison_across_classes_says_what_the_other_knew(three) -> None:  # type: ignore[no-untyped-def]
    found = analyse(*three, resamples=50)
    best = found.ranking["solver"].iloc[0]
    assert set(found.across["second"]) == {best}
    assert set(found.across["first"]) == {"eye", "glance"}
    first = found.across["first"].iloc[0]
    assert f"ranked apart: {first}, which sees the images behind its queries" in found.across_words
    assert f"{best}, which sees the values of its queries only" in found.across_words
    assert "Holm p" in found.across_words
    assert "75% of the gap" in found.across_words


def test_without_black_boxes_image_seeing_solvers_are_what_is_ranked(three) -> None:  # type: ignore[no-untyped-def]
    runs, traces = three
    found = analyse(runs[runs["sees"] != "values"], traces, resamples=50)
    assert set(found.ranking["solver"]) == {"eye", "glance"}
    assert list(found.table["solver_class"]) == ["", "", "white-box"]
    assert found.across_words == ""


def test_image_seeing_runs_on_other_problems_are_no_error(three) -> None:  # type: ignore[no-untyped-def]
    """They are compared on the problems of the black boxes only."""
    runs, traces = three
    some = runs[(runs["sees"] != "images") | runs["problem"].isin(sorted(set(runs["problem"]))[:5])]
    some = some[(some["sees"] == "images") | ~some["problem"].isin(sorted(set(runs["problem"]))[:1])]
    found = analyse(some, traces, resamples=50)
    assert int(found.across["problems"].iloc[0]) == 4


LOW = np.array([-0.1, -0.2, -0.6, np.nan])
"""Of negative activations: two black boxes, then an image-seeing solver below both, then one whose runs all fail."""


@pytest.fixture
def low(study):  # type: ignore[no-untyped-def]
    """The failed runs have no value at all, and those of the third solver begin with a query that failed."""
    runs, traces = study(np.tile(LOW[None, :, None], (12, 1, 3)), solvers=("a", "b", "eye", "crash"))
    for cell in cells_of(runs):
        final = dict(zip(("a", "b", "eye", "crash"), LOW, strict=True))[cell[1]]
        traces[cell] = np.full(20, final)
        traces[cell][0] = np.nan
    sees = {"a": "values", "b": "values", "eye": "images", "crash": "images"}
    return runs.assign(sees=runs["solver"].map(sees), best=runs["final"]), traces


@pytest.mark.parametrize("metric", ["final", "anytime"])
def test_a_failed_run_ranks_below_finished_ones_that_are_lower_than_any_black_box(low, metric: str) -> None:  # type: ignore[no-untyped-def]
    """A solver whose every run failed was first of its class, as it scored the black boxes' floor."""
    found = analyse(*low, Question(metric), resamples=50)
    assert list(found.aside["solver"]) == ["eye", "crash"]
    assert found.aside["wins"].tolist() == [12, 0]
    across = found.across.set_index("first")
    assert across.index[0] == "eye"
    assert across.loc["crash", "difference"] <= across.loc["eye", "difference"] < 0


@pytest.mark.parametrize("metric", ["final", "anytime"])
def test_black_boxes_that_all_fail_lose_to_an_image_seeing_solver_that_finishes(low, metric: str) -> None:  # type: ignore[no-untyped-def]
    """Across classes, a failed run of the best black box kept a floor above what the other solver reached."""
    runs, traces = low
    runs = runs[runs["solver"].isin(["eye", "crash"])]
    runs = runs.assign(sees=runs["solver"].map({"eye": "images", "crash": "values"}))
    found = analyse(runs, traces, Question(metric), resamples=50)
    assert found.across[["first", "second"]].to_numpy().tolist() == [["eye", "crash"]]
    assert found.across["wins"].tolist() == [12]


def test_across_classes_the_faster_of_two_saturated_runs_is_ahead(study) -> None:  # type: ignore[no-untyped-def]
    """Ties were broken by other amounts in each class: a slow black box was ahead of a fast image-seeing solver."""
    finals = np.ones((8, 3, 2))
    finals[:, 2] = 1 - 1e-9  # the smallest step of the image-seeing solvers' scores
    runs, traces = study(finals, solvers=("slow", "fast", "near"))
    for problem in runs["problem"].unique():
        for seed in range(2):
            traces[problem, "fast", seed][1:] = 1.0
    runs = runs.assign(sees=np.where(runs["solver"] == "slow", "values", "images"))
    for solvers in (["slow", "fast"], ["slow", "fast", "near"]):
        found = analyse(runs[runs["solver"].isin(solvers)], traces, resamples=50)
        row = found.across.set_index("first").loc["fast"]
        assert (row["wins"], row["losses"]) == (8, 0)


@pytest.mark.parametrize("metric", METRICS)
def test_the_page_scores_each_class_as_the_analysis_does(low, metric: str) -> None:  # type: ignore[no-untyped-def]
    """Runs of image-seeing solvers are on the page, too, and change no score of a black box there either."""
    runs, traces = low
    runs.loc[(runs["solver"] == "b") & (runs["seed"] == 0), ["failed", "final"]] = True, np.nan
    shown = view(runs, traces, 20, metric=metric, bounds=common_bounds(runs, traces, runs)).runs
    assert list(shown.index) == list(runs.index)
    scored = analyse(runs, traces, Question(metric), resamples=50).scored
    for column in ("score", "ordered"):
        np.testing.assert_array_equal(competing(shown)[column], scored[column])
