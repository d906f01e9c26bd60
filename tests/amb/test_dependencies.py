"""pyproject.toml declares what the four packages import, and nothing else."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGES = ("amb", "problems/amb_problems", "solvers/amb_solvers", "reports/amb_reports")

BY_NAME = {"evosax", "ioh", "optuna", "ribs"}
"""Imported as text, through `amb_solvers.shared.extras.extra` or `import_module`."""
OTHERS = {"cupy-cuda12x"}
"""Used by another package: SpikingJelly's accelerated neurons."""


def declared(requirements: list[str]) -> set[str]:
    """Names of distributions, normalized."""
    return {normalized(re.split(r"[\s;<>=~!\[]", requirement)[0]) for requirement in requirements}


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported() -> dict[str, set[str]]:
    """By distribution: the files that import it, anywhere in the file."""
    distributions = packages_distributions()
    files = defaultdict(set)
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module:
                    names = [node.module]
                for top in {name.split(".")[0] for name in names}:
                    if top not in sys.stdlib_module_names and not top.startswith("amb"):
                        files[normalized(distributions.get(top, [top])[0])].add(str(file.relative_to(ROOT)))
    return files


GIVEN = {"ipython", "pytest"}
"""Imported only where they run already: in a notebook, and by the plug-in for pytest."""

CORE = declared(PROJECT["dependencies"])
EXTRAS = {
    name: declared(requirements)
    for name, requirements in PROJECT["optional-dependencies"].items()
    if name not in ("test", "test-core", "docs")
}
ANY_EXTRA = set().union(*EXTRAS.values())


def test_every_import_is_declared() -> None:
    """By a dependency, or by the extra without which that code says what is missing."""
    undeclared = {name: files for name, files in imported().items() if name not in CORE | ANY_EXTRA | GIVEN}
    assert not undeclared


IMPORTS = """
import sys
from importlib import import_module
from pkgutil import walk_packages

sys.modules.update(dict.fromkeys(sys.argv[1].split(",")))  # None: as if it were not installed
for package in sys.argv[2].split(","):
    for module in walk_packages(import_module(package).__path__, f"{package}."):
        try:
            if not module.name.endswith("__main__"):
                import_module(module.name)
        except ImportError as error:
            print(module.name, error)
"""


def test_every_module_is_imported_without_any_extra() -> None:
    """But for the one that only wraps the authors' package: what needs an extra imports it when it is used."""
    distributions = packages_distributions()
    extras = [top for top, names in distributions.items() if {normalized(name) for name in names} & (ANY_EXTRA - CORE)]
    words = [",".join(["protes", "jax", *extras]), ",".join(Path(package).name for package in PACKAGES)]
    told = subprocess.run([sys.executable, "-c", IMPORTS, *words], capture_output=True, text=True, check=True).stdout
    assert [line.split()[0] for line in told.splitlines()] == ["amb_solvers.tensor_train.protes_package"], told


def test_every_dependency_is_imported() -> None:
    """Nothing is installed for every user that no code of ours asks for."""
    assert CORE - imported().keys() == set()
    assert ANY_EXTRA - imported().keys() - BY_NAME - OTHERS == set()


def test_what_builds_the_documentation_is_used() -> None:
    """By the site's hooks, by its settings, or, as the notebooks' kernel, by their metadata."""
    hooks = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "site").glob("*.py"))
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    used = {name for name in ("mkdocs", "nbclient", "nbconvert") if re.search(rf"^from {name}\b", hooks, re.M)}
    used |= {"mkdocs-material"} if "name: material" in settings else set()
    used |= {"mkdocstrings-python"} if "default_handler: python" in settings else set()
    notebooks = [path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "notebooks").glob("*.ipynb")]
    used |= {"ipykernel"} if notebooks and all('"python3"' in text for text in notebooks) else set()
    assert declared(PROJECT["optional-dependencies"]["docs"]) == used


def test_extras_are_imported_where_their_absence_is_handled() -> None:
    """A new import of an extra's package needs a look: the core must work, and list everything, without it."""
    allowed = {
        "amb/lab/server.py",
        "amb/run/dask.py",
        "amb/run/dask_begun.py",
        "amb/run/dask_worker.py",
        "problems/amb_problems/targets/plain/imagenet.py",
        "problems/amb_problems/targets/plain/examine.py",
        "problems/amb_problems/targets/spiking/framework.py",
        "solvers/amb_solvers/adapters/botorch.py",
        "solvers/amb_solvers/shared/usual_jax.py",
        "solvers/amb_solvers/tensor_train/protes_package.py",
        "solvers/amb_solvers/zoos/evosax.py",
    }
    files = set().union(*(files for name, files in imported().items() if name in ANY_EXTRA - CORE))
    assert files <= allowed


def test_private_functions_are_bounded_to_the_versions_that_have_them() -> None:
    """A package whose underscored names are imported has a bound above: `==` or `~=`."""
    private = defaultdict(set)
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and any(alias.name.startswith("_") for alias in node.names):
                    private[(node.module or "").split(".")[0]].add(str(file.relative_to(ROOT)))
    foreign = private.keys() - sys.stdlib_module_names - {"amb", "amb_problems", "amb_solvers", "amb_reports"}
    requirements = list(chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()))
    bounded = {name for text in requirements if "~=" in text or "==" in text for name in declared([text])}
    assert {"ttopt", "teneva", "protes"} <= foreign
    assert foreign <= bounded
