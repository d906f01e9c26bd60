"""Solvers that see gradients are shown and never ranked, and change nothing about the others."""

import numpy as np
import pandas as pd
import pytest

from amb.errors import AmbError
from amb.stats import Question, analyse, competing, shown
from amb.stats.queries import ranges

METRICS = ("final", "anytime", "queries", "seconds")


@pytest.fixture
def both(study):  # type: ignore[no-untyped-def]
    """Two solvers on eight problems, and a white-box one that is better everywhere."""
    finals = np.random.default_rng(0).uniform(0.1, 0.6, (8, 3, 2))
    finals[:, 2] = 0.9
    runs, traces = study(finals, solvers=("a", "b", "slope"))
    return runs.assign(white_box=runs["solver"] == "slope"), traces


@pytest.mark.parametrize("metric", METRICS)
def test_the_results_of_the_others_are_the_same_with_it_and_without(both, metric: str) -> None:  # type: ignore[no-untyped-def]
    runs, traces = both
    found = analyse(runs, traces, Question(metric), resamples=50)
    alone = analyse(competing(runs), traces, Question(metric), resamples=50)
    for table in ("scored", "medians", "omnibus", "pairs", "problem_tests", "ranking"):
        first, second = (getattr(a, table).drop(columns="white_box", errors="ignore") for a in (found, alone))
        pd.testing.assert_frame_equal(first.reset_index(drop=True), second.reset_index(drop=True))
    assert (found.verdict, found.basis) == (alone.verdict, alone.basis)
    assert list(found.ranking["solver"]) == list(alone.table["solver"])


def test_it_is_below_the_table_without_place_or_test(both) -> None:  # type: ignore[no-untyped-def]
    found = analyse(*both, resamples=50)
    assert list(found.table["white_box"]) == [False, False, True]
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
    with pytest.raises(AmbError, match="white-box solvers alone"):
        analyse(runs[runs["white_box"]], traces)
