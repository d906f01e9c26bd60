"""What is uploaded: sdist and wheel, built as a release builds them, are complete, small and shown well.

`nox -s package` runs these tests; they build both files once, from a copy without git.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from zipfile import ZipFile

import pytest

pytestmark = pytest.mark.package
ROOT = Path(__file__).parents[2]
LARGEST = 26_000_000  # bytes: 18 MB of networks and 5.5 MB of reference runs


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel made from the sdist: a file missing from the sdist is missed."""
    folder = tmp_path_factory.mktemp("dist")
    environment = {**os.environ, "GIT_DIR": str(folder / "none")}  # as in a checkout without git
    command = [sys.executable, "-m", "build", "--no-isolation", "-o", str(folder), str(ROOT)]
    subprocess.run(command, env=environment, check=True)
    return folder


@pytest.fixture(scope="module")
def metadata(built: Path) -> Message:
    (wheel,) = built.glob("*.whl")
    with ZipFile(wheel) as files:
        name = next(name for name in files.namelist() if name.endswith(".dist-info/METADATA"))
        return BytesParser().parsebytes(files.read(name))


def test_both_files_are_small_enough(built: Path) -> None:
    sizes = {file.name: file.stat().st_size for file in built.iterdir()}
    assert len(sizes) == 2
    assert {name: size for name, size in sizes.items() if size >= LARGEST} == {}


def test_twine_accepts_both(built: Path) -> None:
    files = sorted(str(file) for file in built.iterdir())
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=True)


def test_the_wheel_has_what_it_should_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    subprocess.run([sys.executable, "-m", "check_wheel_contents", str(wheel)], check=True, cwd=ROOT)


def test_the_description_has_no_link_that_breaks_outside_the_repository(metadata: Message) -> None:
    """Relative links and images lead nowhere on an index of packages."""
    text = str(metadata.get_payload())
    assert "# amb" in text
    assert re.findall(r"\]\((?!https?:|#)([^)]*)\)", text) == []


def test_the_version_is_that_of_the_project(metadata: Message) -> None:
    """The session compares it with the commit's tag: this copy has no git."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert metadata["Version"] == version


def test_the_container_gets_all_that_the_wheel_is_made_of(built: Path, tmp_path: Path) -> None:
    """A wheel built from the files that .dockerignore lets through has the same files."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name in [line.removeprefix("!") for line in lines if line.startswith("!")]:
        place = tmp_path / "context" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy2)(ROOT / name, place)
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "-o", str(tmp_path), "context"]
    subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    wheels = [*built.glob("*.whl"), *tmp_path.glob("*.whl")]
    expected, packed = ({name for name in ZipFile(wheel).namelist() if "__pycache__" not in name} for wheel in wheels)
    assert packed == expected
