"""How long a suite takes here: measured when asked for, kept for this machine, and otherwise said to be unknown."""

import json
from pathlib import Path

import pytest
from commands import command

from amb.catalogue import times
from amb.catalogue.overview import overview
from amb.catalogue.times import measure_pairs, stored_seconds, suite_seconds
from amb.contracts.suite import Suite

SMALL = Suite("small", 1, ("toy/small-max-a/sn1/0", "toy/small-max-a/sn1/1"), budget=100, seeds=3, description="")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AMB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_suite_takes_its_budget_times_what_a_query_of_each_problem_took() -> None:
    assert suite_seconds(SMALL, stored_seconds()) is None
    lines: list[str] = []
    measure_pairs([SMALL], lines.append)
    (seconds,) = stored_seconds().values()
    assert 0 < seconds < 60
    assert suite_seconds(SMALL, stored_seconds()) == pytest.approx(100 * 2 * seconds)
    assert lines == ["Measuring toy/small-max-a (1 of 1) ..."]


def test_a_suite_of_which_a_network_was_not_measured_has_no_time() -> None:
    two = Suite("two", 1, (*SMALL.problems, "cifar10-sngan/snn-cnn/sn1/0"), budget=100, seeds=3, description="")
    assert suite_seconds(two, {"toy/small-max-a": 0.1}) is None
    assert suite_seconds(two, {"toy/small-max-a": 0.1, "cifar10-sngan/snn-cnn": 1.0}) == pytest.approx(120)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"elsewhere, 4 cores": {"toy/small-max-a": 1}}'])
def test_times_that_cannot_be_read_or_are_of_another_machine_do_not_count(cache: Path, content: str) -> None:
    cache.mkdir()
    (cache / "times.json").write_text(content)
    assert stored_seconds() == {}
    measure_pairs([SMALL], lambda line: None)
    assert list(stored_seconds()) == ["toy/small-max-a"]
    if "elsewhere" in content:
        assert "elsewhere, 4 cores" in json.loads((cache / "times.json").read_text())


def test_a_cache_that_cannot_be_written_is_done_without(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    measure_pairs([SMALL], lambda line: None)
    assert stored_seconds() == {}


@pytest.mark.parametrize("width", ["60", "80", "120"])
def test_the_list_says_size_budget_and_time_without_breaking_a_word(width: str) -> None:
    assert "12 problems of 128 dimensions x 64 levels, 500 queries each." in listed(width)
    assert "has not been measured: `amb problems list --time`" in listed(width)
    times._store({"cifar10-sngan-int8/snn-cnn": 0.01})
    assert "12 problems of 128 dimensions x 64 levels, 500 queries each, 1 min 0 s." in listed(width)
    (quick,) = [row for row in overview()["suites"] if row["name"] == "quick"]
    assert quick["seconds"] == pytest.approx(60)


def listed(width: str) -> str:
    """What `amb problems list` prints, in one line; the lines fit the width."""
    printed = command("problems", "list", width=int(width), check=True).stdout
    assert max(map(len, printed.splitlines())) <= int(width)
    return " ".join(printed.split())


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_a_deeply_nested_file_of_times_is_ignored(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As any other damage: times are only a help."""
    monkeypatch.setenv("AMB_CACHE", str(tmp_path))
    (tmp_path / "times.json").write_text(text)
    assert times.stored_seconds() == {}


def test_only_finite_times_above_zero_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A plan must not be made of a negative or infinite time."""
    monkeypatch.setenv("AMB_CACHE", str(tmp_path))
    monkeypatch.setattr(times, "_machine", lambda: "here")
    row = '{"a": 0.5, "b": NaN, "c": -5, "d": Infinity, "e": true, "f": 1' + "0" * 400 + "}"
    (tmp_path / "times.json").write_text('{"here": ' + row + "}")
    assert times.stored_seconds() == {"a": 0.5}
