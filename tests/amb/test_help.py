"""Help texts reach the terminal as they were written."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from rich.text import Text
from typer.testing import CliRunner

from amb.cli.app import app


def texts(command: Any, path: str = "amb") -> Iterator[tuple[str, str]]:
    """Every help text below a command, with where it is."""
    yield path, command.help or ""
    for parameter in command.params:
        yield f"{path} {parameter.name}", getattr(parameter, "help", None) or ""
    for name, inner in getattr(command, "commands", {}).items():
        yield from texts(inner, f"{path} {name}")


@pytest.mark.parametrize(("where", "text"), [pytest.param(w, t, id=w) for w, t in texts(typer.main.get_command(app))])
def test_no_bracket_is_taken_for_markup(where: str, text: str) -> None:
    """Typer reads help as rich markup: an unescaped ``[k=50]`` would vanish."""
    assert Text.from_markup(text).plain == text.replace("\\[", "[")


@pytest.mark.parametrize("words", [["compare"], ["run"], ["solvers", "show"]])
def test_an_example_with_options_is_shown(words: list[str]) -> None:
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "120"})
    assert "tt-b[k=50]" in done.output


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command."""
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*words, name))


@pytest.mark.parametrize("words", [pytest.param(w, id=" ".join(w)) for w in commands(typer.main.get_command(app))])
def test_options_say_in_words_what_they_take_and_flags_take_nothing(words: tuple[str, ...]) -> None:
    help_text = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "120"}).output
    assert " --help " in help_text
    assert not re.search(r"<(bool|str|path|int|list)|\[default: \(|\{\w", help_text, re.IGNORECASE), "Python's words"


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("words", [pytest.param(w, id=" ".join(w)) for w in commands(typer.main.get_command(app))])
def test_no_word_is_cut(words: tuple[str, ...], width: int) -> None:
    text = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": str(width)}).output
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize(
    ("words", "asked", "meant"),
    [
        (["run"], "--suite", "--problems"),
        (["compare"], "--queries", "--budget"),
        (["compare"], "--solver", "--solvers"),
        (["leaderboard", "study"], "--heading", "--title"),
        (["compare"], "--metrc", "--metric"),
    ],
)
def test_an_unknown_option_is_answered_with_the_one_that_is_meant(words: list[str], asked: str, meant: str) -> None:
    """One whose help begins with the word, before those that are only spelled alike."""
    done = CliRunner().invoke(app, [*words, asked, "quick"], env={"COLUMNS": "120"})
    assert done.exit_code == 2
    answer = re.search(rf"No such option: {asked} \(Possible options: (.*)\)", done.output)
    assert answer
    assert answer[1] == meant or (meant == "--metric" and meant in answer[1].split(", "))
