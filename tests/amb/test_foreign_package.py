"""A third party's package: built, installed next to amb, found by its entry point, and used."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from commands import command

from amb.testing.check import check_solver, passed

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed `tests/foreign`, and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run(
        [*install, "--disable-pip-version-check", "--target", str(folder), str(TESTS / "foreign")], check=True
    )
    return folder


def amb(*words: str, site: Path, cwd: Path) -> str:
    return command(*words, cwd=cwd, environment={"PYTHONPATH": str(site)}, check=True).stdout


def test_it_is_listed_with_its_origin(site: Path, tmp_path: Path) -> None:
    listed = json.loads(amb("solvers", "list", "--json", site=site, cwd=tmp_path))
    rows = {row["solver"]: row for row in listed}
    assert rows["one-fifth"] == {
        "solver": "one-fifth",
        "family": "one fifth",
        "method": "One parent and one Gaussian child; the step grows after a success and shrinks after a failure",
        "from": "amb-one-fifth 0.3.0",
        "defined in": "one_fifth:OneFifth",
    }
    assert rows["random"]["from"].startswith("amb ")


def test_it_competes(site: Path, tmp_path: Path) -> None:
    words = ["--problems", "toy/bowl/near/0..1", "--budget", "60", "--seeds", "2", "--plugin"]
    words.append(str(TESTS / "plugins" / "toy.py"))
    told = amb("compare", "--solvers", "one-fifth[step=0.5],random", *words, "--json", site=site, cwd=tmp_path)
    result = json.loads(told)
    assert {row["status"] for row in result["runs"]} == {"ok"}
    score = {row["solver"]: row["score"] for row in result["ranking"]}
    assert score["one-fifth[step=0.5]"] > score["random"]


def test_it_passes_the_kit(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example is a good one."""
    monkeypatch.syspath_prepend(site)
    outcomes = check_solver("one_fifth:OneFifth")
    assert passed(outcomes), [(o.case.name, o.reason) for o in outcomes if o.result == "broken"]
