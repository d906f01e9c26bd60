"""What the documentation shows is run here, as a newcomer would."""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import nox
import pytest
from commands import command

import amb

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
PICTURE = ROOT / "docs" / "images" / "architecture.py"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), {})


def shell_lines(page: Path, start: str = "amb ") -> list[str]:
    """Commands of a page that begin with `start`."""
    return [line for block in blocks(page, "sh") for line in block.splitlines() if line.startswith(start)]


@pytest.mark.parametrize(
    ("page", "fewest"),
    [
        ("README.md", 8),
        ("docs/guides/studies.md", 9),
        ("docs/guides/leaderboard.md", 4),
        ("docs/guides/planning.md", 3),
        ("docs/guides/atlas.md", 4),
    ],
)
def test_commands_run(tmp_path: Path, page: str, fewest: int) -> None:
    lines = shell_lines(ROOT / page)
    assert len(lines) >= fewest
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        done = command(*words, cwd=tmp_path)
        assert done.returncode == 0, f"{line}\n{done.stderr}"


def test_the_recording_of_several_neurons_runs(tmp_path: Path) -> None:
    """The one command of its page that takes no data and no hours."""
    (line,) = shell_lines(ROOT / "docs" / "guides" / "problems.md", "amb population ")
    words = shlex.split(line)[1:]
    done = command(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "learn from all" in done.stdout


@pytest.mark.slow
def test_the_first_command_prints_what_the_readme_shows(tmp_path: Path) -> None:
    """Table and verdict, with all numbers but seconds: networks and trains are exact on every processor.

    The installation is the gate's; this is what comes after it, exactly as written.
    """
    command = re.search(r"<!-- first command -->\n```sh\n(.*)\n```", README)
    printed = re.search(r"It prints .*\n\n```text\n((?:.*\n)+?)```", README)
    assert command is not None
    assert printed is not None
    words = shlex.split(command[1].split("/amb ")[1])
    done = subprocess.run(
        [sys.executable, "-m", "amb", *words],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert without_seconds(printed[1]) in without_seconds(done.stdout)
    assert (tmp_path / "amb-study" / "report" / "gallery.png").stat().st_size > 10_000


def without_seconds(text: str) -> str:
    """A printed table and verdict without the last column, in which a solver's seconds stand."""
    rows = re.sub(r"^([\w-]+ +[a-z]+ +\d\.\d{3} .*) \d\.\d{3}$", r"\1", text, flags=re.MULTILINE)
    return " ".join(rows.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file that exists, and to a heading that the page has."""
    for file, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text(encoding="utf-8")):
        linked = page.parent / file if file else page
        assert linked.exists(), f"{page.name} links to {file}"
        if heading:
            assert heading in anchors(linked), f"{page.name} links to #{heading} of {linked.name}"


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub writes them in addresses."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


FILES_NAMED_IN = ["CONTRIBUTING.md", "docs/architecture.md", "docs/releasing.md"]


@pytest.mark.parametrize("page", FILES_NAMED_IN)
def test_files_that_a_page_names_exist(page: str) -> None:
    """Files and folders in backticks; what a recipe makes is written with <...> and passed over."""
    named = re.findall(r"`([\w./-]+/[\w./-]+)`", (ROOT / page).read_text(encoding="utf-8"))
    files = [
        name
        for name in named
        if name.split("/")[0] in ("amb", "problems", "solvers", "reports", "tests", "docs", ".ci")
    ]
    assert len(files) >= 5
    assert [name for name in files if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/releasing.md"])
def test_names_are_in_the_files_that_a_page_says(page: str) -> None:
    """Wherever a page says "`NAME` in `file.py`"."""
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    claims = re.findall(r"`(\w+)`(?: \|)? (?:in|is in|of) `([\w./-]+\.py)`", text)
    assert claims
    for name, file in claims:
        assert re.search(rf"\b{name}\b", (ROOT / file).read_text(encoding="utf-8")), f"no {name} in {file}"


def test_each_question_is_answered_by_one_file() -> None:
    """The table "Where is it decided?": at least twenty questions, and each answer is a file."""
    rows = re.findall(
        r"^\| (.+\?) \| (.+) \|$", (ROOT / "docs/architecture.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(rows) >= 20
    for question, answer in rows:
        assert (ROOT / answer.strip("`")).is_file(), question


def test_the_picture_of_the_layers_is_the_configurations() -> None:
    """`python docs/images/architecture.py` has been run after the last change of the layers."""
    script = runpy.run_path(str(PICTURE))
    assert script["PICTURE"].read_text(encoding="utf-8") == script["draw"](script["contracts"]())


def test_contributors_commands_name_folders_and_markers_that_exist() -> None:
    lines = shell_lines(ROOT / "CONTRIBUTING.md", ".venv/bin/python -m pytest ")
    assert len(lines) >= 5
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    markers = {marker.split(":")[0] for marker in settings["markers"]}
    for line in lines:
        words = shlex.split(line, comments=True)[3:]
        assert [word for word in words if word.startswith("tests/") and not (ROOT / word).exists()] == [], line
        assert {marker for flag, marker in pairwise(words) if flag == "-m"} <= markers, line


def test_the_citation_is_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^## \d+\.\d+\.\d+", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_every_page_is_in_the_contents_of_the_site() -> None:
    """In `nav` of mkdocs.yml; otherwise the site does not build."""
    contents = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"- (?:.+: )?(\S+\.md)$", contents, re.MULTILINE))
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert pages - named == set()


def test_the_reference_describes_every_public_name() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "api").glob("*.md"))
    described = set(re.findall(r"heading: amb\.(\w+)$", pages, re.MULTILINE))
    described |= set(re.findall(r"^::: amb\.errors\.(\w+)$", pages, re.MULTILINE))
    assert set(amb.__all__) - described == set()


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_are_stored_without_outputs(path: Path) -> None:
    """So that no output is older than the code; tests/site runs them, and the site shows what they answer."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)


@pytest.fixture(scope="module")
def sessions() -> dict[str, Any]:
    """What noxfile.py defines."""
    return runpy.run_path(str(ROOT / "noxfile.py"))


def test_the_gate_runs_the_readmes_test_command(sessions: dict[str, Any]) -> None:
    """`.ci/run` runs nox, whose session `tests` takes the command from README.md."""
    gate = ROOT / ".ci" / "run"
    assert os.access(gate, os.X_OK)
    assert '/bin/nox"' in gate.read_text(encoding="utf-8")
    assert "tests" in nox.options.sessions
    command = sessions["readme_command"]()
    assert command in README
    assert re.fullmatch(r"python3 -m venv .venv && .+ install .+ && .+ -m pytest .*", command)


FAKE_PYTHON = """#!/bin/sh
mkdir -p "$3/bin"
printf '#!/bin/sh\n' > "$3/bin/pip"
cp "$FAKE_NOX" "$3/bin/nox"
chmod +x "$3/bin/pip" "$3/bin/nox"
"""
FAKE_NOX = """#!/bin/sh
if [ "$1" = --list ]; then
  for name in $SESSIONS; do echo "* $name -> What it checks."; done
  echo "- other -> What is not asked for."
  exit
fi
echo "ran ${*#*--sessions}"
case "$*" in *"$FAILS"*) echo "1 failed in 1.0s"; exit 3;; esac
echo "2 passed in 1.0s"
"""


@pytest.mark.parametrize(("fails", "status"), [("none", 0), ("tests", 3), ("core", 3)])
def test_the_gate_runs_every_session_and_fails_with_any(
    tmp_path: Path, sessions: dict[str, Any], fails: str, status: int
) -> None:
    """In two lines that run side by side; whatever they end with, the temporary folder is removed."""
    fakes = {"python3": FAKE_PYTHON, "nox": FAKE_NOX, "chromium": "#!/bin/sh\n", "octave-cli": "#!/bin/sh\n"}
    for name, text in fakes.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "temporary").mkdir()
    asked = nox.options.sessions
    settings = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(tmp_path / "temporary"),
        "FAKE_NOX": str(tmp_path / "nox"), "SESSIONS": " ".join(asked), "FAILS": fails,
    }  # fmt: skip
    done = subprocess.run(
        [ROOT / ".ci" / "run"], env=os.environ | settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    ran = " ".join(re.findall(r"^ran (?:.*--sessions )?(.*)$", done.stdout, re.MULTILINE)).split()
    assert sorted(ran) == sorted(asked)
    assert done.stdout.count("2 passed") == 2 * (2 if status == 0 else 1), "the counts are printed again at the end"
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_gate_works_in_a_copy_without_an_environment(sessions: dict[str, Any]) -> None:
    """So that the README's command can make `.venv` there, and the `.venv` of the checkout stays as it is."""
    copy = sessions["checkout"]()
    assert not copy.is_relative_to(ROOT)
    assert not list(copy.glob(".venv*"))
    for page in PAGES:
        assert (copy / page.relative_to(ROOT)).read_bytes() == page.read_bytes()
    assert (copy / "amb" / "study" / "study.py").is_file()
