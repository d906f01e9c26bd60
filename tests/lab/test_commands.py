"""`amb lab` on the command line: what is printed, as text and as JSON, and one line for every mistake."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from amb.cli.app import app
from amb.errors import AmbError
from amb.lab.laboratory import Laboratory

from .conftest import new_experiment, rows_for


def amb(*words: object) -> Result:
    result = CliRunner().invoke(app, ["lab", *map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def responses(folder: Path, name: str = "r.csv") -> Path:
    lab = Laboratory(folder)
    block = lab.next_block()
    assert block is not None
    path = folder.parent / name
    rows = rows_for(lab, block)
    path.write_text("trial,neuron,response\n" + "".join(f"{r.trial},{r.neuron},{r.value!r}\n" for r in rows))
    return path


def test_from_new_to_report(folder: Path) -> None:
    for _ in range(2):  # every command is idempotent
        printed = " ".join(amb("new", folder, "-g", "toy", "-n", "a,b").stdout.split())
        assert "400 trials, searches a (cma), b (cma)" in printed
        assert f"Edit its experiment.toml, then make the first block: amb lab next {folder}" in printed
    for _ in range(2):
        printed = amb("next", folder).stdout
        assert "block 1, trials 1 to 50" in printed
        assert f"then: amb lab tell {folder} FILE" in " ".join(printed.split())
    file = responses(folder)
    assert "100 new responses; the block is complete" in amb("tell", folder, file).stdout
    assert "0 new responses, 100 known before" in amb("tell", folder, file).stdout
    status = amb("status", folder).stdout
    assert "50 of 400" in status
    assert "search b" in status
    assert "block 2, trials 51 to" in amb("next", folder).stdout
    assert str(folder / "report" / "report.html") in amb("report", folder).stdout


def test_json_for_scripts(folder: Path) -> None:
    amb("new", folder, "-g", "toy", "--trials", 26)
    block = json.loads(amb("next", folder, "--json").stdout)
    assert (block["block"], block["first"], block["last"], block["finished"]) == (1, 1, 26, False)
    (receipt,) = json.loads(amb("tell", folder, responses(folder), "--json").stdout)
    assert (receipt["new"], receipt["missing"]) == (26, [])
    assert json.loads(amb("next", folder, "--json").stdout) == {"finished": True}
    assert json.loads(amb("status", folder, "--json").stdout)["blocks"] == 1


def test_a_group_and_another_solver(folder: Path) -> None:
    assert "a+b (snes)" in amb("new", folder, "-g", "toy", "-n", "a,b", "--together", "-s", "snes").stdout


def test_a_solver_that_asks_for_one_stimulus_at_a_time_is_pointed_out(folder: Path) -> None:
    assert "one stimulus at a time" in amb("new", folder, "-g", "toy", "-s", "annealing").stdout
    assert "one stimulus" not in amb("new", folder.parent / "other", "-g", "toy", "-s", "cma").stdout


def test_the_status_compares_with_the_references(folder: Path) -> None:
    new_experiment(folder, references=2)
    amb("tell", folder, responses(folder))
    values = (
        Laboratory(folder).history.responses("ref-image0", ["n1"]),
        Laboratory(folder).history.responses("ref-image1", ["n1"]),
    )
    mean = (values[0].mean() + values[1].mean()) / 2
    (search,) = json.loads(amb("status", folder, "--json").stdout)["searches"]
    assert search["references"] == pytest.approx(mean)
    assert f"; references {mean:.4g}" in " ".join(amb("status", folder).stdout.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["next", "{none}"], "is not an experiment: it has no experiment.toml; `amb lab new"),
        (["new", "{none}", "-g", "toi"], "unknown generator 'toi'; did you mean toy"),
        (["new", "{none}", "-g", "toy", "-n", "trial"], "a neuron cannot be called 'trial'"),
        (["new", "{none}", "-g", "toy", "-n", "a,a"], "neuron 'a' is listed twice"),
        (["new", "{none}", "-g", "toy", "-n", "n1,N1"], "search N1 would have the same pictures as n1 on Windows"),
        (["new", "{none}", "-g", "toy", "-n", "Ref"], "search Ref would have the same pictures as ref on Windows"),
        (["new", "{none}", "-g", "toy", "-r", "/nowhere.png"], "/nowhere.png does not exist"),
        (["new", "{none}", "-g", "toy", "-s", "gradient"], "choose one that sees values"),
        (["new", "{folder}", "-g", "toy", "-n", "x"], "holds another experiment already"),
        (["tell", "{folder}", "{none}.csv"], "there is no file"),
        (["next", "{folder}", "--close", "4"], "there is no block 4 to close; blocks so far: 0"),
        (["report", "{folder}"], "nothing to report"),
        (["simulate", "{folder}"], "name a problem for each neuron"),
        (["simulate", "{folder}", "--format", "xls"], "unknown format 'xls'"),
        (["serve", "{folder}", "--token", "x"], "at least 8 printable"),
        (["serve", "{none}", "--port", "0"], "is not an experiment"),
        (["serve", "{folder}", "--host", "a" * 300], "it is no host name; choose others with --host"),
        (["watch", "{folder}", "--inbox", "{folder}/experiment.toml"], "File exists; choose another with --inbox"),
    ],
)
def test_mistakes_are_explained_in_one_line(folder: Path, words: list[str], message: str) -> None:
    amb("new", folder, "-g", "toy")
    filled = [word.format(folder=folder, none=folder.parent / "none") for word in words]
    with pytest.raises(AmbError) as caught:
        amb(*filled)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("every", ["inf", "1e300", "nan", "-1"])
def test_a_time_that_no_clock_can_wait_is_refused(folder: Path, every: str) -> None:
    result = CliRunner().invoke(app, ["lab", "watch", str(folder), "--every", every])
    assert result.exit_code == 2
    assert "'--every'" in result.output
