"""What `--json` prints has the keys and types that docs/guides/studies.md lists."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import amb
from amb.cli.app import app
from amb.cli.show import as_record
from amb.comparison.compare import reopen

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "studies.md"
TYPES = {"integer": int, "number": (int, float), "text": str, "boolean": bool, "list": list, "object": dict}


def documented(value: str) -> dict[str, tuple[str, bool, bool]]:
    """Type, whether it may be null and whether it may be missing, by key, of a value in the page's table."""
    (row,) = re.findall(rf"^\| {re.escape(value)} \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    found = re.findall(r"`([^`]+)` (\w+)(\??)( if known)?(?:, |$)", row)
    return {key: (kind, bool(null), bool(optional)) for key, kind, null, optional in found}


def check(record: dict, value: str) -> None:
    keys = documented(value)
    assert set(record) <= set(keys)
    assert {key for key, (*_, optional) in keys.items() if not optional} <= set(record)
    for key, content in record.items():
        kind, null, _ = keys[key]
        if content is None:
            assert null, f"{key} of {value} is null"
        elif not (kind == "number" and content == "inf"):
            assert isinstance(content, TYPES[kind]), f"{key} of {value} is {content!r}, not {kind}"
            assert (kind == "boolean") == isinstance(content, bool), key


def printed(*words: str):  # type: ignore[no-untyped-def]
    result = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("json") / "st"
    amb.compare("random,one-plus-lambda", "toy/small-max-a/sn1/0..5", budget=6, seeds=3, study=folder, progress=False)
    return folder


def test_the_lists_are_as_documented() -> None:
    for row in printed("solvers", "list"):
        check(row, "`amb solvers list`, each")
    tables = printed("problems", "list")
    check(tables, "`amb problems list`")
    for table in ("suites", "generators", "targets"):
        for row in tables[table]:
            check(row, f"`{table}`, each")


def test_the_state_of_a_study_is_as_documented(study: Path) -> None:
    check(printed("study", "status", str(study)), "`amb study status`")


def test_a_comparison_is_as_documented(study: Path) -> None:
    """Of `amb compare` and `amb report`, which print the same."""
    record = json.loads(json.dumps(as_record(reopen(study), []), default=str))
    check(record, "`amb compare`, `amb report`")
    check(record["settings"], "`settings`")
    for table in ("ranking", "pairs", "runs"):
        assert record[table]
        for row in record[table]:
            check(row, f"`{table}`, each")
