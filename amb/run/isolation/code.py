"""Is the code of a solver, which every process of its own imports anew, still what the command was started with?"""

import sys
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path

from amb.catalogue.plugin_modules import hashes_of
from amb.catalogue.solvers import SolverSpec
from amb.contracts.solver import Solver
from amb.errors import SpecError
from amb.installed import is_installed
from amb.loaded_code import digest


def told_code(spec: SolverSpec) -> dict[str, str]:
    """Hashes of files that a solver's class comes from, when this was first asked; none of an installed package.

    That is the class's own file, by "", but not what it imports. Of a file given with `--plugin`, which comes as a
    text, it is those that it imports, by the names of the modules.
    """
    return hashes_of(spec.plugin.location) if spec.plugin.text else {"": _first(spec.cls)}


def is_other(code: Mapping[str, str], theirs: object) -> bool:
    """Whether another process has told that it has other code; it need not have met all that this one has."""
    if not isinstance(theirs, dict):
        return True
    return any(theirs[name] != code[name] for name in code.keys() & theirs.keys())


def is_edited(spec: SolverSpec) -> bool:
    """Whether the file is another one now."""
    return not spec.plugin.text and _hash(spec.cls) != _first(spec.cls)


def _hash(cls: type[Solver]) -> str:
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if file is None or is_installed(cls.__module__):
        return ""
    try:
        return sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return "missing"


@cache
def _first(cls: type[Solver]) -> str:
    """The same, but "other code" if the file was edited before that, and this process has what it was."""
    told, module = _hash(cls), sys.modules.get(cls.__module__)
    try:
        return digest(cls.__module__, Path(str(getattr(module, "__file__", None))), module) if told else told
    except SpecError:
        return "other code"
    except OSError:
        return told
