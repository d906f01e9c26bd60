"""README's command in a container: a foreign user without a home, and a root file system that is read-only.

No container is needed here: the Dockerfile is compared with the README, and its environment is made by `confined`.
"""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from confined import FOREIGN, confined, mounts

ROOT = Path(__file__).parents[2]
TRY_TO_WRITE = """
import os
for path in ({folders}):
    try:
        open(os.path.join(path, "written"), "w").close()
        print("written")
    except OSError as error:
        print(error.strerror)
"""


@pytest.mark.parametrize("mounted", [False, True], ids=["refused by Python", "mounted read-only"])
def test_nothing_can_be_written_outside_one_folder(tmp_path: Path, mounted: bool) -> None:
    """The other tests here would mean little without it."""
    if mounted and not mounts():
        pytest.skip("this process may not mount file systems or change its user")
    (tmp_path / "inside").mkdir()
    other = tmp_path / "outside"
    other.mkdir(mode=0o777)
    code = TRY_TO_WRITE.replace("{folders}", f"{str(other)!r}, {str(ROOT)!r}, '.'")
    done = confined(tmp_path / "inside", "-c", code, mounted=mounted)
    assert done.stdout.splitlines() == ["Read-only file system", "Read-only file system", "written"], done.stderr
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("written")] == ["inside/written"]
    if mounted:
        assert str((tmp_path / "inside" / "written").stat().st_uid) == FOREIGN


def test_a_plug_in_is_compared_there(tmp_path: Path) -> None:
    """The study, its journals, tables and figures: all go into the one folder, and nothing asks for another.

    The plug-in lies in it too: the checkout may be in a folder that only its owner enters, and its files be so.
    """
    shutil.copyfile(ROOT / "tests" / "plugins" / "toy.py", tmp_path / "toy.py")
    (tmp_path / "toy.py").chmod(0o644)
    words = ["--solvers", "random,climber", "--problems", "toy/bowl/near/0..1", "--budget", "20", "--seeds", "1"]
    done = confined(tmp_path, "-m", "amb", "compare", *words, "--plugin", "toy.py")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "climber" in done.stdout
    assert (tmp_path / "amb-study" / "report" / "convergence.png").stat().st_size > 1000


@pytest.mark.slow
def test_the_demo_runs_there(tmp_path: Path) -> None:
    """Where nothing can be stored, its networks' loops are compiled each time."""
    done = confined(tmp_path, "-m", "amb", "demo")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "cma-diagonal reaches 0." in done.stdout
    assert (tmp_path / "amb-demo.png").stat().st_size > 1000


@pytest.mark.slow
def test_a_comparison_runs_there(tmp_path: Path) -> None:
    """The README's solvers, on fewer problems and queries: table, verdict and all reports."""
    words = ["--problems", "cifar10-sngan/snn-cnn/sn1/0..1", "--budget", "30", "--seeds", "1"]
    done = confined(tmp_path, "-m", "amb", *container_command(), *words)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "portfolio" in done.stdout
    assert (tmp_path / "amb-study" / "report" / "leaderboard.html").stat().st_size > 100_000


def test_the_container_runs_the_first_command_of_the_readme() -> None:
    """Its three parts: environment and installation while the image is built, the comparison when it is run."""
    first = re.search(r"<!-- first command -->\n```sh\n(.*)\n```", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert first is not None
    *install, run = first[1].split(" && ")
    assert " && ".join(install) in instructions("RUN")
    assert ["amb", *container_command()] == ["amb", *shlex.split(run)[1:]]
    assert instructions("ENTRYPOINT") == ['["amb"]']


def test_the_container_runs_as_nobody() -> None:
    assert instructions("USER") == ["nobody"]


def instructions(name: str) -> list[str]:
    """What follows an instruction, wherever the Dockerfile has it."""
    return re.findall(rf"^{name} (.*)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)


def container_command() -> list[str]:
    """The words after `amb` that a container runs if it is given none."""
    (command,) = instructions("CMD")
    return re.findall(r'"([^"]*)"', command)
