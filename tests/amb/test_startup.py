"""Commands that only list or count start without the heavy libraries, so that they answer at once."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from amb.catalogue.suites import suite, suite_names

HEAVY = {"torch", "pandas", "scipy", "matplotlib", "numba", "jax", "nevergrad"}
STUDY = Path(__file__).parent.parent / "data" / "study-0.1"
TOY = Path(__file__).parent.parent / "plugins" / "toy.py"


@pytest.mark.parametrize("command", ["--version", "solvers list", "problems list", "study status study"])
def test_what_only_lists_imports_no_heavy_library(command: str, tmp_path: Path) -> None:
    """Each of these libraries takes longer to import than the whole command takes without it."""
    shutil.copytree(STUDY, tmp_path / "study", ignore=shutil.ignore_patterns("journal"))
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "amb", *command.split()],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in run.stderr.splitlines()}
    assert "amb" in imported
    assert not HEAVY & imported


def test_the_version_names_every_suite_and_imports_no_command() -> None:
    """As reports name them; without the libraries of the commands, which take longer to import."""
    code = "import sys; sys.argv[1:] = ['--version']; from amb.cli import main; main(); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    amb_line, *suites, modules = run.stdout.splitlines()
    assert amb_line == f"amb {version('amb')}"
    named = " ".join(suites).removeprefix("suites: ").split(", ")
    assert named == [f"{name}-{suite(name).version}" for name in suite_names()]
    assert not {"typer", "rich"} & set(modules.split())


@pytest.mark.parametrize("command", ["run", "compare", "population"])
def test_the_first_line_comes_before_the_heavy_libraries(command: str, tmp_path: Path) -> None:
    """Importing them takes seconds, in which a silent command looks as if it hung."""
    options = ["--solvers", "random,climber", "--budget", "3", "--seeds", "1", "--study", "study", "--plugin", str(TOY)]
    run = subprocess.run(
        [sys.executable, "-u", "-X", "importtime", "-m", "amb", command, *options, "--problems", "toy/bowl/near/0"],
        cwd=tmp_path,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = run.stdout.splitlines()
    first = lines.index("Loading solvers and networks ...")
    heavy = [i for i, line in enumerate(lines) if line.rpartition("|")[2].strip().partition(".")[0] in HEAVY]
    assert heavy, "the command has imported nothing, so this shows nothing"
    assert first < heavy[0]
    assert lines.count("Loading solvers and networks ...") == 1


def test_reading_networks_imports_no_compiler_of_torch() -> None:
    """It would take most of the time of a command that evaluates a few images."""
    code = (
        "import sys; from amb.catalogue.problems import problem\n"
        "for network in ('snn-cnn', 'snn-resnet18', 'small-max-a'): problem(f'toy/{network}/sn1/0')\n"
        "for generator in ('sngan', 'vqvae'): problem(f'cifar10-{generator}/snn-cnn/sn1/0').space\n"
        "problem('toy/ann-resnet/layer1.0.relu/0')\n"
        "print([name for name in ('torch._dynamo', 'sympy') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout == "[]\n"


def test_compiling_is_announced_once_and_only_where_nothing_is_stored(tmp_path: Path) -> None:
    (tmp_path / "loops.py").write_text(
        "from amb.compiling import announce_to, compiled\n"
        "announce_to(print)\n"
        "@compiled()\n"
        "def add(a, b):\n"
        "    return a + b\n"
        "print(add(1, 2), add(1.5, 2.0))\n"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    printed = [
        subprocess.run(
            [sys.executable, "loops.py"], cwd=tmp_path, check=True, capture_output=True, text=True, env=environment
        ).stdout.splitlines()
        for _ in range(2)
    ]
    assert printed == [["Compiling, which is done once after an installation ...", "3 3.5"], ["3 3.5"]]
