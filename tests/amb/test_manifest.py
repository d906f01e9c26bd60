"""The manifest is a typed record: what was written reads back, and a file of other types is refused in one line."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from amb.comparison.compare import compare
from amb.errors import StudyError
from amb.study.manifest import Environment, Manifest, Settings, manifest_text, read_manifest
from amb.study.study import Study

DATA = Path(__file__).parents[1] / "data"
WHOLE = Manifest(
    environment=Environment("3.11", "Linux", "Babbage's mill", 2, {"numpy": "2.0.1"}),
    settings=Settings(("tt-b[k=50]",), ("p/q/r/0",), "quick-1", 20, (0, 3), "cuda", True, "True"),
    problems={"p/q/r/0": "print"},
    solvers={"tt-b[k=50]": "1"},
    environments=(Environment("3.11"), Environment("3.12")),
)


@pytest.mark.parametrize("manifest", [Manifest(), WHOLE])
def test_a_manifest_reads_back(tmp_path: Path, manifest: Manifest) -> None:
    file = tmp_path / "manifest.json"
    file.write_bytes(manifest_text(manifest))
    assert read_manifest(file) == manifest
    assert json.loads(file.read_text())["schema"] == 2


def test_a_manifest_of_version_0_1_says_the_same_as_its_json() -> None:
    for folder in ("study-0.1", "published-0.1"):
        file = DATA / folder / "manifest.json"
        content, read = json.loads(file.read_text()), read_manifest(file)
        assert read.problems == content["problems"]
        assert read.solvers == content["solvers"]
        for name, value in content["settings"].items():
            assert getattr(read.settings, name) == (tuple(value) if isinstance(value, list) else value)
        for name, value in content["environment"].items():
            assert getattr(read.environment, name) == value


def test_what_a_later_version_added_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    content = json.loads(manifest_text(WHOLE))
    content["weather"] = content["settings"]["weather"] = {"rain": [1, None]}
    file.write_text(json.dumps(content))
    assert read_manifest(file) == WHOLE


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"settings": {"seeds": ["x"]}}, r"settings\.seeds"),
        ({"settings": {"seeds": [True]}}, r"settings\.seeds"),
        ({"settings": {"seeds": [-1]}}, r"settings\.seeds"),
        ({"settings": {"budget": 2.5}}, r"settings\.budget"),
        ({"settings": {"budget": 10**30}}, r"settings\.budget"),
        ({"settings": []}, r"settings"),
        ({"problems": {"p/q/r/0": 5}}, r"problems"),
        ({"environment": {"cores": "many"}}, r"environment\.cores"),
        ({"schema": 3, "settings": "of another kind"}, "schema version 3, but this version of amb reads 1 and 2"),
    ],
)
def test_a_manifest_of_other_types_is_refused_and_the_place_named(
    tmp_path: Path, content: dict[str, object], words: str
) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"schema": 2, **content}))
    with pytest.raises(StudyError, match=words) as refused:
        Study(tmp_path)
    assert str(tmp_path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_study_that_was_asked_for_nothing_says_what_is_missing() -> None:
    with pytest.raises(StudyError, match=r"st/manifest\.json does not say which budget"):
        Settings(solvers=("a",), problems=("b",), budget=0, seeds=(1,)).complete(Path("st"))
    assert WHOLE.settings.complete(Path("st")) is WHOLE.settings
    with pytest.raises(StudyError, match="one of the problems asked for has no name"):
        Settings(solvers=("a",), problems=("b", ""), budget=5, seeds=(1,)).complete(Path("st"))


def test_a_manifest_that_could_not_be_read_again_is_not_written() -> None:
    for solvers in ({"mine": 2}, {"mine": "half a \ud800"}):
        with pytest.raises(StudyError, match="would be unreadable"):
            manifest_text(replace(WHOLE, solvers=solvers))  # type: ignore[arg-type]


def test_a_damaged_manifest_is_written_anew_by_the_command_that_began_the_study(tmp_path: Path, toy: Path) -> None:
    """As its error says: only the manifest is lost, no run."""
    asked = {"solvers": "random", "problems": "toy/bowl/near/0", "budget": 5, "seeds": 2, "study": tmp_path}
    runs = compare(**asked).runs
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").iterdir()}
    before = read_manifest(tmp_path / "manifest.json")
    (tmp_path / "manifest.json").write_bytes(b"\0" * 900)
    with pytest.raises(StudyError, match="move it away and repeat the commands that began the study"):
        compare(**asked)
    (tmp_path / "manifest.json").rename(tmp_path / "manifest.damaged")
    assert compare(**asked).runs.equals(runs)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").iterdir()} == files
    assert read_manifest(tmp_path / "manifest.json") == before


def test_a_manifest_that_is_too_large_to_be_read_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """It closed the study, with all its runs, to every command."""
    monkeypatch.setattr("amb.study.manifest.LARGEST", len(manifest_text(WHOLE)))
    manifest_text(WHOLE)
    larger = replace(WHOLE, problems={**WHOLE.problems, "p/q/r/1": "print"})
    with pytest.raises(StudyError, match=r"would name 2 problems in \d+ MiB; the limit is .* take another folder"):
        manifest_text(larger)
