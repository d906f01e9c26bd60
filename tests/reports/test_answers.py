"""docs/answers.md says what the published studies say."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "docs"

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def answers() -> ModuleType:
    """The script that writes the page's tables."""
    spec = spec_from_file_location("answers", FOLDER / "answers.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_table_is_what_the_published_runs_give(answers: ModuleType) -> None:
    text = (FOLDER / "answers.md").read_text(encoding="utf-8")
    assert answers.filled(text) == text


def test_the_verdicts_in_words_follow_from_the_tables(answers: ModuleType) -> None:
    """Which trains beat which baselines, and who saves trials."""
    pairs = answers.study("reference-networks").pairs
    shown = {(row.first, row.second) for row in pairs[pairs["differs"]].itertuples()}  # the better one is first
    good = ("cma-diagonal", "xdream-ga", "sphere-cma", "one-plus-lambda")
    assert not {(train, baseline) for train in answers.TRAINS for baseline in good} & shown
    assert {("cma-diagonal", train) for train in answers.TRAINS} <= shown
    assert {baseline for baseline in good if (baseline, "tt-parents") in shown} == {"cma-diagonal"}
    assert {train for train in answers.TRAINS if (train, "portfolio") in shown} == {"tt-parents", "tt-elite"}
    assert {train for train in answers.TRAINS if ("portfolio", train) in shown} == {"protes"}
    assert {train for train in answers.TRAINS if (train, "random-prior") in shown} == {*answers.TRAINS} - {"protes"}
    assert len(pairs) == 78
    ratios = dict(re.findall(r"\| `([\w-]+)` \| [\w -]+ \| ([\d.]+)", answers.trials()))
    assert float(ratios["inception-loop"]) < 0.4
    assert 0.5 < float(ratios["trust-region-gp"]) < 0.7
    assert all(float(ratios[train]) > 1 for train in answers.TRAINS if train in ratios)
