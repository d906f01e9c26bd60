"""Sessions that check the project: `nox` runs the gate, `nox --list` names every session.

`lint`, `package` and `core` have environments of their own. All other sessions work in one copy of the tracked files,
in a temporary folder that is deleted at the end, so nothing here touches the `.venv` of your checkout. `tests` runs the
README's own test command in that copy; the sessions after it use the environment that the command made. `core` runs the
tests of imports, numbers and drawn bits, which the missing extras and a newer numpy can change: those in `CORE`.
"""

import atexit
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import nox

ROOT = Path(__file__).parent
CONSTRAINTS = ("-c", str(ROOT / "constraints.txt"))
NO_BYTE_CODE = "--no-compile"
"""For pip, in the README's test command too: most of the 18,000 files are never imported, and Python compiles a file
where it is."""

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "tests", "types", "imports", "browser", "site", "package", "core"]


@cache
def checkout() -> Path:
    """A copy of the tracked files as they are now, made once for all sessions of one command."""
    folder = Path(tempfile.mkdtemp(prefix="amb-gate-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy = folder / "amb"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if tracked.returncode:  # no git, or an unpacked sdist
        shutil.copytree(ROOT, copy, ignore=not_copied)
        return copy
    for name in filter(None, tracked.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def not_copied(folder: str, names: list[str]) -> set[str]:
    """What `.gitignore` names, for a folder that git does not know."""
    ignored = {name for name in names if name == "__pycache__" or name.startswith(".venv") or name.endswith("_cache")}
    return ignored | {".git", ".nox", "build", "dist", "site", "studies", "study"} if Path(folder) == ROOT else ignored


def version_tags() -> list[str]:
    """The tags of releases, v1.2.3, on the commit that is checked; none in an unpacked sdist."""
    command = ["git", "tag", "--points-at", "HEAD", "--list", "v[0-9]*"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()


def readme_command() -> str:
    """The README's test command: installation and tests."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    command = re.search(r"<!-- test command -->\n```sh\n(.+)\n```", readme)
    if command is None:
        raise ValueError("README.md has no test command: a one-line sh block after <!-- test command -->")
    return command[1]


def python(session: nox.Session) -> str:
    """The interpreter that `tests` installed; if `tests` did not run, the README's command without its last part."""
    session.chdir(checkout())
    path = checkout() / ".venv" / "bin" / "python"
    if not path.exists():
        session.run("bash", "-c", readme_command().rpartition(" && ")[0], external=True)
    return str(path)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff's rules and format; `nox -s lint -- --fix` repairs what can be repaired."""
    session.install(*CONSTRAINTS, "ruff")
    if "--fix" in session.posargs:
        session.run("ruff", "check", "--fix", ".")
        session.run("ruff", "format", ".")
    else:
        session.run("ruff", "check", ".")
        session.run("ruff", "format", "--check", ".")


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """The README's test command, as it stands there, in a folder that has no environment yet."""
    session.chdir(checkout())
    session.run("bash", "-c", readme_command(), external=True)


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """Mypy on the four packages."""
    session.run(python(session), "-m", "mypy", external=True)


@nox.session(venv_backend="none")
def imports(session: nox.Session) -> None:
    """The layers that docs/architecture.md draws."""
    lint_imports = Path(python(session)).with_name("lint-imports")
    session.run(str(lint_imports), "--no-cache", "--no-logo", external=True)


@nox.session(venv_backend="none")
def browser(session: nox.Session) -> None:
    """All pages in Chromium; without Chromium these tests skip themselves and say so."""
    words = ("-m", "pytest", "-q", "-n", "2", "-m", "browser", "tests/lab", "tests/paper", "tests/reports")
    session.run(python(session), *words, *session.posargs, external=True)


@nox.session(venv_backend="none")
def docs(session: nox.Session) -> None:
    """Every command and code block of the documentation, the README's first command included: some minutes."""
    words = ("-m", "pytest", "-q", "-m", "slow or not slow", "tests/test_docs.py")
    session.run(python(session), *words, *session.posargs, external=True)


@nox.session(venv_backend="none")
def site(session: nox.Session) -> None:
    """The documentation site and its tables: no warning, no dead link, nothing from the network; two minutes."""
    interpreter = python(session)
    session.run(interpreter, "-m", "pip", "install", "-q", NO_BYTE_CODE, *CONSTRAINTS, "-e", ".[docs]", external=True)
    words = ("-m", "pytest", "-q", "-m", "site", "tests/site", "tests/reports/test_answers.py")
    session.run(interpreter, *words, *session.posargs, external=True)


@nox.session
def package(session: nox.Session) -> None:
    """Sdist and wheel as a release builds them: complete, small, and shown well on an index of packages."""
    project = nox.project.load_toml(ROOT / "pyproject.toml")
    wrong = [tag for tag in version_tags() if tag != f"v{project['project']['version']}"]
    if wrong:
        session.error(
            f"this commit is tagged {', '.join(wrong)}, but pyproject.toml says {project['project']['version']}"
        )
    session.install(*CONSTRAINTS, *project["build-system"]["requires"])
    session.install(*CONSTRAINTS, "build", "twine", "check-wheel-contents", "pytest")
    session.chdir(checkout())
    words = ("-q", "-m", "package", "-p", "no:cacheprovider", "--noconftest", "-o", "addopts=--import-mode=importlib")
    session.run("pytest", *words, "tests/package", *session.posargs)


@nox.session(venv_backend="none")
def benchmarks(session: nox.Session) -> None:
    """Speed ratios; wants a machine with nothing else to do."""
    words = ("-m", "pytest", "-q", "--benchmark-only", "tests/benchmarks")
    session.run(python(session), *words, *session.posargs, external=True)


CORE = (
    "tests/amb/test_dependencies.py",  # every module is imported
    *("tests/solvers/test_conformance.py", "tests/solvers/test_extras.py"),  # every solver, or what says that it lacks
    "tests/solvers/test_private_random.py",  # how numpy keeps its random state
    "tests/stats",  # what every number of a table rests on
    *("tests/amb/test_version_0_1.py", "tests/amb/test_noise.py"),  # bits that were stored, or that are drawn
    *("tests/amb/test_space.py", "tests/amb/test_fingerprint.py", "tests/amb/test_generators.py"),
    *("tests/amb/test_demo.py", "tests/amb/test_foreign_package.py"),  # commands, once each
    "tests/amb/test_cli.py::test_compare_prints_a_table_and_a_verdict_and_writes_a_report",
)
"""What another numpy, or an extra that is not there, can change: imports, numbers and drawn bits.

What commands say and refuse, what faults do to files, and how a method finds what it finds, `tests` alone checks.
"""


@nox.session
def core(session: nox.Session) -> None:
    """The core as `pip install amb` makes it, without extras: on a newer numpy than the extra `reference` allows."""
    session.install(NO_BYTE_CODE, *CONSTRAINTS, ".[test-core]")
    session.run("pytest", "-q", "-n", "auto", *CORE, *session.posargs)
