"""What `--json` prints has the keys and types that docs/json.md lists, for every command that has the option."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import amb
from amb.cli.app import app
from amb.cli.show import as_record
from amb.comparison.compare import reopen

PAGE = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
TYPES = {"integer": int, "number": (int, float), "text": str, "boolean": bool, "list": list, "object": dict}
SUITE = "cifar10-sngan-int8/snn-cnn/sn1/29,cifar10-sngan-int8/snn-cnn/sn2/8"
TOY, BOWL = str(Path(__file__).parents[1] / "plugins" / "toy.py"), "toy/bowl/*/0"
DIGITS = "mnist-sngan-int8/mnist-snn/out/1..2"


def documented(value: str) -> tuple[dict[str, tuple[str, bool, bool]], bool]:
    """Type, whether it may be null and whether it may be missing, by key; and whether there may be other keys."""
    (row,) = re.findall(rf"^\| (?:[^|]*[,;] )?{re.escape(value)}(?:[,;] [^|]*)? \| (.*) \|$", PAGE, re.MULTILINE)
    found = re.findall(r"`([^`]+)` (\w+)(\??)( if known)?(?:, |$)", row)
    return {key: (kind, bool(null), bool(optional)) for key, kind, null, optional in found}, row.endswith(", others")


def check(record: Any, value: str) -> None:
    """Check a value, or each entry of a list."""
    if isinstance(record, list):
        for entry in record:
            check(entry, value)
        return
    keys, others = documented(value)
    assert others or set(record) <= set(keys), f"{value} has {set(record) - set(keys)}"
    assert {key for key, (*_, optional) in keys.items() if not optional} <= set(record), value
    for key, content in record.items():
        kind, null, _ = keys.get(key, ("other", False, False))
        if kind == "other":
            assert isinstance(content, (str, int, float)), f"{key} of {value} is {content!r}"
        elif content is None:
            assert null, f"{key} of {value} is null"
        elif not (kind == "number" and content == "inf"):
            assert isinstance(content, TYPES[kind]), f"{key} of {value} is {content!r}, not {kind}"
            assert (kind == "boolean") == isinstance(content, bool), key


def printed(words: str) -> Any:
    result = CliRunner().invoke(app, [*words.split(), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def with_json(command: Any, words: str = "amb") -> Iterator[str]:
    """The commands that have the option."""
    if any("--json" in parameter.opts for parameter in command.params):
        yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from with_json(inner, f"{words} {name}")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of toy problems, one of a suite's, one of digits, and an experiment."""
    folder = tmp_path_factory.mktemp("json")
    for solvers, problems, study in (
        ("random,one-plus-lambda", "toy/small-max-a/sn1/0..5", "st"),
        ("random", SUITE, "suite"),
        ("random,one-plus-lambda", DIGITS, "digits"),
    ):
        words = ["run", "-s", solvers, "-p", problems, "-b", "6", "--seeds", "3", "--study", str(folder / study)]
        assert CliRunner().invoke(app, words).exit_code == 0
    done = CliRunner().invoke(app, ["lab", "new", str(folder / "lab"), "-g", "toy", "-s", "cma", "-t", "30"])
    assert done.exit_code == 0
    return folder


@pytest.fixture(autouse=True)
def _there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


@pytest.mark.parametrize("command", [*with_json(typer.main.get_command(app))])
def test_every_command_with_json_is_documented(command: str) -> None:
    assert re.search(rf"^\| [^|]*`{command}[` ]", PAGE, re.MULTILINE)


COMMANDS = {
    "run -s random -p toy/small-max-a/sn1/0..1 -b 6 --seeds 1 --study one": "`amb run`, each",
    "merge all st": "`amb merge`",
    "study status st": "`amb study status`",
    "study doctor st": "`amb study doctor`, each",
    "solvers list": "`amb solvers list`, each",
    "solvers show tt-b": "`amb solvers show`",
    "solvers show inception-loop": "`amb solvers show`",
    "check random": "`amb check`, each",
    "problems list quick": "`amb problems list PATTERN`",
    "problems show quick": "`amb problems show SUITE`, each",
    "problems show cifar10-sngan": "`amb problems show GENERATOR`",
    "problems show small-max-a": "`amb problems show TARGET`",
    "problems show cifar10-sngan/snn-cnn": "`amb problems show GENERATOR/TARGET`",
    "problems show cifar10-sngan/snn-cnn/sn2/8": "`amb problems show PROBLEM`",
    "references quick --study suite --out points": "`amb references`, each",
}


@pytest.mark.parametrize(("command", "value"), [pytest.param(c, v, id=c) for c, v in COMMANDS.items()])
def test_what_is_printed_is_as_documented(command: str, value: str) -> None:
    check(printed(command), value)


def test_the_lists_of_problems_are_as_documented() -> None:
    tables = printed("problems list")
    check(tables, "`amb problems list`")
    for table in ("suites", "generators", "targets"):
        check(tables[table], f"`{table}`, each")


def test_a_comparison_is_as_documented() -> None:
    """Of `amb compare` and `amb report`, which print the same."""
    record = json.loads(json.dumps(as_record(reopen("st"), []), default=str))
    check(record, "`amb compare`")
    check(record["settings"], "`settings`")
    for table in ("ranking", "pairs", "runs"):
        assert record[table]
        check(record[table], f"`{table}`, each")


def test_a_plan_is_as_documented() -> None:
    plan = printed("plan --difference 0.1")
    check(plan, "`amb plan`")
    check(plan["sizes"], "`sizes`, each")
    check(plan["components"], "`components`")


def test_a_population_is_as_documented() -> None:
    found = printed(f"population -s random -p {SUITE} -b 20 --seeds 1 --study population")
    check(found, "`amb population`")
    for table in ("gains", "savings", "runs"):
        assert found[table]
        check(found[table], "`runs` of a population" if table == "runs" else f"`{table}`, each")


def test_failures_and_findings_are_as_documented(place: Path) -> None:
    problems = ["cifar10-vqvae/snn-cnn/sn1/29", "toy/small-max-a/sn1/0"]
    amb.compare("portfolio,random", problems, budget=5, seeds=1, study=place / "bad", progress=False)
    state = printed("study status bad")
    assert state["failures"]
    check(state["failures"], "`failures`, each")
    check(state["under_way"], "`under_way`")
    check(state["interrupted"], "`under_way`")
    (run, *_) = (place / "bad" / "runs").glob("*.parquet")
    run.write_bytes(b"damaged")
    found = printed("study doctor bad")
    assert found
    check(found, "`amb study doctor`, each")


def test_measures_are_as_documented() -> None:
    measures = printed("analyse digits")
    check(measures, "`amb analyse`")
    for table in ("layers", "yardsticks"):
        assert measures[table]
    for table in ("layers", "ratios", "yardsticks"):
        check(measures[table], f"`{table}`, each")
    made = printed("atlas mnist-snn --layers out --units 1 --solvers random --budget 10 --study atlas")
    check(made, "`amb atlas`")
    check(made["layers"], "`layers`, each")


def test_claims_are_as_documented() -> None:
    words = "paper --network mnist-snn --generators mnist-sngan --units 1 --budget 5 --curve-budget 5 --study p"
    judged = printed(words)
    check(judged, "`amb paper`")
    check(judged["claims"], "`claims`, each")


def test_an_experiment_is_as_documented() -> None:
    check(printed("lab status lab"), "`amb lab status`")
    block = printed("lab next lab")
    check(block, "`amb lab next`")
    simulated = CliRunner().invoke(app, ["lab", "simulate", "lab", "-p", "toy/small-max-a/sn1/0"])
    assert simulated.exit_code == 0, simulated.output
    check(printed("lab tell lab lab/responses/block-001.csv"), "`amb lab tell`, each file")
    right = Path("lab/right.csv")
    right.write_text("trial,n1\n1,3.5\n", encoding="utf-8")
    check(printed(f"lab correct lab {right} --block 1 --reason mistaken"), "`amb lab correct`")
    state = printed("lab status lab")
    check(state, "`amb lab status`")
    check(state["corrections"], "`corrections`, each")
    check(state["searches"], "`searches`, each")
    assert state["searches"][0]["response"] is not None
    assert state["planned"] > 0


PRINTS = """
import os, sys
print("printed at import")
os.write(1, b"written to the descriptor\\n")
sys.__stdout__.write("0\\n")
from amb import BatchSolver


class Prints(BatchSolver):
    source = "none"

    def __init__(self, space, *, budget, seed):
        print("[]")
        super().__init__(space, budget=budget, seed=seed)

    def _generate(self):
        os.system("echo from a process")
        return self.space.sample_prior(4, self.rng)

    def _learn(self, values):
        print(values)
"""


@pytest.mark.parametrize(
    "command",
    [
        ["solvers", "show", "prints", "--plugin", "prints.py"],
        ["run", "--solvers", "prints", "--plugin", "prints.py", "--plugin", TOY, "--problems", BOWL, "--budget", "8"],
    ],
)
def test_what_a_plugin_prints_is_not_among_the_results(command: list[str], tmp_path: Path) -> None:
    """It goes to stderr, so that stdout is JSON; without `--json`, it goes where it always went."""
    (tmp_path / "prints.py").write_text(PRINTS)
    run = [sys.executable, "-m", "amb", *command]
    done = subprocess.run([*run, "--json"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)
    assert "printed at import" in done.stderr
    assert "written to the descriptor" in done.stderr
    assert ("from a process" in done.stderr) == (command[0] == "run")
    assert "printed at import" in subprocess.check_output(run, cwd=tmp_path, text=True, stderr=subprocess.DEVNULL)
