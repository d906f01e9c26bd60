"""What a comparison asks is checked once, and survives being stored and being asked again on the command line."""

import pytest

from amb.cli import options
from amb.errors import SpecError
from amb.stats import METRICS, Question
from amb.stats.question import DEFAULT


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"metric": "finale"}, "did you mean final"),
        ({"alpha": 0.0}, "alpha must lie between 0 and 1, got 0"),
        ({"alpha": 1.0}, "alpha must lie between 0 and 1, got 1"),
        ({"alpha": float("nan")}, "alpha must lie"),
        ({"alpha": "0.05"}, "alpha must be a number, got '0.05'"),
        ({"alpha": True}, "alpha must be a number"),
        ({"rope": -0.01}, "at least 0 and below 1, got -0.01"),
        ({"rope": float("inf")}, "got inf"),
        ({"rope": float("nan")}, "got nan"),
        ({"rope": 1.0}, "rope is a share of the range"),
        ({"level": "network"}, "did you mean networks"),
        ({"control": 3}, "control must be the spec of one of the solvers"),
        ({"metric": ["final"]}, "unknown metric"),
    ],
)
def test_what_cannot_be_asked_is_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        Question(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", METRICS)
def test_a_question_knows_how_its_scores_are_written(metric: str) -> None:
    assert Question(metric).scoring is METRICS[metric]


@pytest.mark.parametrize("question", [DEFAULT, Question("queries", 0.01, 0.0, "tt-b[k=50]")])
def test_stored_settings_give_the_question_back(question: Question) -> None:
    """Among settings of other things, and in a study that stored none of them."""
    assert Question.from_settings({"budget": 9, **question.to_settings()}) == question
    assert Question.from_settings({"budget": 9}) == DEFAULT


def test_the_command_line_repeats_only_what_is_not_the_default() -> None:
    assert DEFAULT.to_options() == []
    assert Question("anytime", 0.01, control="a").to_options() == [
        *("--metric", "anytime"),
        *("--alpha", "0.01"),
        *("--control", "a"),
    ]


def test_the_command_line_has_the_same_defaults() -> None:
    """They are written there a second time, because `amb --help` must not import the statistics."""
    assert Question(options.DEFAULT_METRIC, options.DEFAULT_ALPHA, options.DEFAULT_ROPE) == DEFAULT
