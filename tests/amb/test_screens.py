"""What a terminal shows at 60, 80 and 120 columns: words, numbers and names are whole, and no column vanishes."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import amb
from amb.cli.app import app
from amb.cli.tables import fact_lines, table_lines

WIDTHS = (60, 80, 120)
PROBLEM = "cifar10-vqvae-int8/small-resnet-a/block3.sn2/23[codes=principal]"
ROWS = [
    {"problem": PROBLEM, "solver": solver, "seed": seed, "status": "ok", "queries": "1,200", "activation": "0.6043"}
    | {"evaluation time": "12.3 s", "reason": "it needs codes with an order, and these have none"}
    for solver in ("random", "one-plus-lambda-resampling")
    for seed in (0, 1)
]


def shown(words: list[str], width: int) -> str:
    result = CliRunner().invoke(app, words, env={"COLUMNS": str(width)})
    assert result.exit_code in (0, 1), result.output
    return result.output


@pytest.mark.parametrize("width", [*WIDTHS, 300])
def test_a_table_keeps_every_word_of_every_cell(width: int) -> None:
    """Also where the columns do not fit: the first ones then stand in a line of their own."""
    lines = [line.text for line in table_lines(ROWS, width)]
    assert not [line for line in lines if len(line) > width and PROBLEM not in line]
    words = " ".join(lines).replace(",", " ").split()
    for row in ROWS:
        for text in [*row, *map(str, row.values())]:
            assert set(text.replace(",", " ").split()) <= set(words)


def test_a_table_that_fits_has_one_line_for_a_row() -> None:
    assert len(table_lines(ROWS, 300)) == 1 + len(ROWS)
    assert [line.text for line in table_lines([{"layer": "sn1", "units": 64}], 80)] == ["layer  units", "sn1       64"]
    assert table_lines([], 80) == []


def test_rows_that_share_what_is_set_apart_share_its_line() -> None:
    lines = [line.text for line in table_lines(ROWS, 80)]
    assert sum(PROBLEM in line for line in lines) == len(lines) - 1 - sum(PROBLEM not in line for line in lines[1:])
    assert sum(PROBLEM in line for line in lines) <= 2


def test_a_value_that_does_not_fit_next_to_its_name_begins_below_it() -> None:
    facts = {"picture": "/a/folder/of/" + "x" * 50, "checkpoint": "0123456789ab" + "c" * 52}
    assert list(fact_lines(facts, 60)) == [
        ("picture", ""),
        ("  ", facts["picture"]),
        ("checkpoint  ", "0123456789ab"),
    ]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study, a published study, a damaged study and an experiment."""
    folder = tmp_path_factory.mktemp("screens")
    amb.compare("random,one-plus-lambda", "toy/small-max-a/sn1/0..5", budget=6, seeds=3, study=folder / "st",
                progress=False)  # fmt: skip
    shown(["publish", str(folder / "st"), str(folder / "published")], 80)
    shown(["lab", "new", str(folder / "lab"), "-g", "toy", "-s", "cma", "-t", "60"], 80)
    return folder


@pytest.fixture(scope="module")
def wide_screens() -> dict[str, str]:
    """What commands print in a terminal of any width."""
    return {}


COMMANDS = [
    "--version",
    "run -s random,one-plus-lambda -p toy/small-max-a/sn1/0..5 -b 6 --seeds 3 --study st",
    "population -s random -p toy/small-max-a/sn1/0..1 -b 20 --seeds 1 --study pop",
    "plan --difference 0.05 --study published",
    "merge all st",
    "publish st again",
    "study restore published restored",
    "study status st",
    "study doctor st",
    "check random",
    "lab status lab",
    "solvers list",
    "solvers show tt-b",
    "problems list",
    "problems list networks",
    "problems show quick",
    "problems show cifar10-sngan",
    "problems show cifar10-sngan/snn-cnn",
    "problems show toy/small-max-a/sn1/3",
]


def words(text: str) -> set[str]:
    """The words of an output without figures, which differ between two calls, and without commas between names."""
    text = re.sub(r"Left out for lack of width: .*?--json\.", "", text, flags=re.DOTALL)
    return {re.sub(r"[\d.,:]+", "#", word.strip(",")) for word in text.split()}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_break_no_word(
    command: str, width: int, place: Path, wide_screens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is printed for a very wide terminal consists of the same words."""
    monkeypatch.chdir(place)
    if command not in wide_screens:
        shown(command.split(), 1000)  # the second time all runs are stored
        wide_screens[command] = shown(command.split(), 1000)
    text = shown(command.split(), width)
    assert words(text) <= words(wide_screens[command])
    long = [line for line in text.splitlines() if len(line.rstrip()) > width]
    assert not [line for line in long if len(line.split()) > 1], long


def test_an_error_is_one_line_in_a_pipe_and_wrapped_in_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from amb.cli.complaints import complain

    monkeypatch.setenv("COLUMNS", "60")
    complain("word " * 40)
    assert len(capsys.readouterr().err.splitlines()) == 1
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    complain("word " * 40)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 1
    assert all(set(line.split()) <= {"amb:", "word"} and len(line) <= 60 for line in lines)
