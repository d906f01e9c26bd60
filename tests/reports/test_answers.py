"""docs/answers.md says what the published studies say."""

import re
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "docs"

pytestmark = [pytest.mark.site, pytest.mark.usefixtures("one_thread")]


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


def shown_to_lead(answers: ModuleType, study: str) -> tuple[set[tuple[str, str]], int]:
    """The pairs of a study that are shown to differ, the better solver first, and the number of all pairs."""
    pairs = answers.study(study).pairs
    return {(row.first, row.second) for row in pairs[pairs["differs"]].itertuples()}, len(pairs)


def trains_are_behind(trains: Sequence[str], shown: set[tuple[str, str]]) -> None:
    """No train is shown to beat a good baseline, and the two best baselines beat every train."""
    good = ("snes", "cma-diagonal", "xdream-ga", "sphere-cma", "one-plus-lambda")
    assert not {(train, baseline) for train in trains for baseline in good} & shown
    assert {(best, train) for best in ("snes", "cma-diagonal") for train in trains} <= shown


def test_the_verdicts_in_words_follow_from_the_tables(answers: ModuleType) -> None:
    """Which trains beat which baselines, which black box leads, and who saves trials."""
    shown, number = shown_to_lead(answers, "reference-networks")
    trains_are_behind(answers.TRAINS, shown)
    assert {train for train in answers.TRAINS if (train, "portfolio") in shown} == {"tt-parents", "tt-elite"}
    assert {train for train in answers.TRAINS if ("portfolio", train) in shown} == {"protes"}
    assert {train for train in answers.TRAINS if (train, "random-prior") in shown} == {*answers.TRAINS} - {"protes"}
    assert number == 171
    tuned = {name for name in answers.study("reference-networks").ranking["solver"] if "[" in name}
    ahead = {second for first, second in shown if first == "snes"}
    others = {*answers.study("reference-networks").ranking["solver"]} - {"snes", "trust-region-gp"}
    assert others - tuned <= ahead
    assert "trust-region-gp" not in ahead
    assert not any(second == "snes" for _, second in shown)


def beaten(table: str) -> dict[str, list[bool]]:
    """Which rivals are shown to be behind, by budget."""
    rows = re.findall(r"^\| ([\d,]+) \| \d+ \| (.+) \|$", table, re.MULTILINE)
    return {budget: [float(p.strip("<")) < 0.05 for p in cells.split(" | ")[1::2]] for budget, cells in rows}


def test_the_champion_is_shown_to_lead_after_200_queries_on_fresh_units(answers: ModuleType) -> None:
    """And ahead of all but `cma-diagonal` after more."""
    shown = beaten(answers.champion())
    assert all(shown.pop("200"))
    assert [*shown] == ["500", "1,000", "2,000"]
    for each in shown.values():
        assert each == [rival != "cma-diagonal" for rival in answers.RIVALS]


def test_the_champion_is_shown_to_lead_up_to_1000_queries_in_the_suite(answers: ModuleType) -> None:
    shown = beaten(answers.champion_suite())
    assert {budget: all(each) for budget, each in shown.items()} == {
        "200": True,
        "500": True,
        "1,000": True,
        "2,000": False,
    }


def test_trains_are_behind_after_2000_queries_too(answers: ModuleType) -> None:
    shown, number = shown_to_lead(answers, "reference-2000")
    trains_are_behind(answers.TRAINS, shown)
    assert number == 78


def test_snes_leads_from_500_to_2000_queries(answers: ModuleType) -> None:
    """On held-out units of the suite, and not shown to beyond 2,000; on all units also within 2,000."""
    shown = beaten(answers.beyond())
    assert [budget for budget, each in shown.items() if all(each)] == ["500", "1,000", "2,000"]
    assert sum(shown["12,000"]) == 1
    table = answers.budgets("reference-2000", (2000,))
    others = dict(re.findall(r"^\| `([\w-]+)` .+ \| (\S+) \|$", table, re.MULTILINE))
    assert others.pop("snes") == "–"
    assert {name for name, p in others.items() if float(p.strip("<")) >= 0.05} == {"growing-snes"}
    assert len(others) == 11
    minus = {name: float(value) for name, value in re.findall(r"^\| `([\w-]+)` \| ([-+.\d]+)", table, re.MULTILINE)}
    assert all(minus[name] < 0 for name in others if name != "growing-snes")


def test_more_seeds_would_change_little(answers: ModuleType) -> None:
    """For half of all pairs hardly anything, and for no pair of the table more than a fifth."""
    rows = re.findall(r"\| (.+?) \| (\d+)% \| (\d+)% \| (\d+)% \|", answers.seeds())
    shares = {name: [int(value) for value in values] for name, *values in rows}
    assert max(shares.pop("median of all pairs")) <= 3
    assert len(shares) == 5
    assert all(1 <= value <= 20 for values in shares.values() for value in values)
    assert all(values[0] >= 14 for name, values in shares.items() if name.startswith("`snes`"))


def test_who_needs_fewer_trials(answers: ModuleType) -> None:
    """Trains cost trials, and the loop saves them."""
    ratios = dict(re.findall(r"\| `([\w-]+)` \| [\w -]+ \| ([\d.]+)", answers.trials()))
    assert all(float(ratios[train]) > 1.3 for train in answers.TRAINS)
    assert all(0.8 < float(ratios[name]) < 1 for name in ("snes", "trust-region-gp"))
    loop = dict(re.findall(r"\| `([\w-]+)` \| ([\d.]+)", answers.trials_loop()))
    assert float(loop["trust-region-gp"]) < 0.6
    assert float(loop["cma-diagonal"]) < 0.5
