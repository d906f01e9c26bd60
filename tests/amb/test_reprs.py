"""What a Python prompt prints of an object is short and says what the object is."""

from pathlib import Path

import pandas as pd
import pytest
import torch

import amb

NETWORK = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5), torch.nn.ReLU())


def test_objects_say_what_they_are() -> None:
    target = amb.target(NETWORK, layer="1", name="filters")
    problem = target.problem("toy", 3)
    assert repr(target) == "<target filters: 32x32x3 images, mean of the channel over its map>"
    assert repr(problem) == "<problem toy/filters/1/3: 16 dimensions of 64 levels>"
    assert repr(problem.space) == "<ordinal space: 16 dimensions of 64 levels, even grid in [-4, 4], normal prior>"
    assert repr(target.family("toy")) == "<family toy/filters>"
    assert repr(amb.generator("cifar10-sngan")) == "<generator cifar10-sngan: 128 latents to 32x32x3 images>"
    assert (
        repr(amb.Space((2, 3), kind="categorical"))
        == "<categorical space: 2 dimensions of 2 to 3 levels, normal prior>"
    )
    solver = amb.solver("random[k=5]", problem.space, budget=1000, seed=1)
    assert repr(solver) == "RandomSearch(k=5): 0 of 1,000 queries asked".join("<>")
    assert repr(amb.solver("random", problem.space, budget=1)) == "<RandomSearch: 0 of 1 query asked>"
    candidates = solver.ask()
    solver.tell(candidates, [0.25] * 5)
    assert repr(solver) == "RandomSearch(k=5): 5 of 1,000 queries asked, best value 0.25".join("<>")


def test_an_object_that_is_not_finished_can_be_printed() -> None:
    """A repr must not hide the error in whose message it stands."""

    class Half(amb.Problem):
        """Sets no attribute."""

        evaluate_together = images = None  # type: ignore[assignment]

    assert "Half object at" in repr(Half())


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> amb.Result:
    folder = tmp_path_factory.mktemp("reprs") / "study"
    return amb.compare("random,tt-s", "toy/snn-cnn/sn1/0..5", budget=8, seeds=2, study=folder, progress=False)


def test_a_wide_table_begins_and_ends_with_what_is_read_first(result: amb.Result) -> None:
    """pandas prints the first and last columns of a table that is wider than the screen."""
    with pd.option_context("display.width", 80):
        shown = str(result.ranking).splitlines()[0].split()
        assert shown == ["place", "solver", "score", "mean_rank", "...", "low", "high", "p_holm", "letters"]
        assert str(result.pairs).splitlines()[0].split()[:3] == ["first", "second", "difference"]
        assert str(result.runs).splitlines()[0].split()[:4] == ["problem", "solver", "seed", "final"]
    assert set(result.ranking) == set(result.analysis.ranking), "the columns are those of the statistics"
    assert set(result.pairs) == set(result.analysis.pairs)


def test_results_and_measures_are_short(result: amb.Result) -> None:
    folder = Path(result.study.folder)
    assert repr(result.study) == f"<study {folder}>"
    assert repr(result).startswith("<amb.Result: ")
    assert len(repr(result)) < 1000
    measures = amb.analyse(folder)
    assert repr(measures).startswith("<amb.Measures: 24 inputs; tables meis, distances, ")
    assert repr(measures.found) == "<24 most exciting inputs of 6 problems>"
