"""The modules that plug-in files import from other files of the user's, such as those beside them.

Files given with `--plugin` share one process, and with it one module of each name, but two folders may each have a
`helper.py`. Every file must be given the modules that it would be given alone.
"""

import ast
import os
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import requires
from pathlib import Path
from types import CodeType

from msgspec import Struct

from amb.errors import PluginError
from amb.imported import found_along, module_file
from amb.installed import in_packages
from amb.loaded_code import digest


class _Imports(Struct):
    """What a plug-in file imports.

    Attributes:
        path: `sys.path` as it would be, had no other plug-in file been loaded.
        files: of modules by their names, as they are found along it, or else beside the plug-in file or in a folder
            that is there; None of what is not found.
        optional: names whose import may fail.
        hashes: of those files, but for installed packages, as they were imported or would be.
    """

    path: list[str]
    files: dict[str, Path | None]
    optional: set[str]
    hashes: dict[str, str] = {}


_MOST_FOLDERS = 100
_of_files: dict[str, _Imports] = {}
_added: dict[str, set[str]] = {}
"""Folders that plug-in files have added to `sys.path`, and their own: loaded ones, and those that were."""
_of_python: list[str] = []
"""`sys.path` before the first plug-in file."""


def note(file: Path, text: bytes, code: CodeType, before: Sequence[str]) -> None:
    """Note what a plug-in file imports that was executed, and verify it together with all others.

    Args:
        file: the file.
        text: what was executed of it, and `code`, compiled.
        before: `sys.path` before that.

    Raises:
        PluginError: a name is that of two modules.
        SpecError: a module was imported before its file was edited, or from other byte code.
    """
    if not _added:
        _of_python[:] = before
    own = _added.setdefault(str(file), {_real(file.parent)})
    own |= {_real(entry) for entry in Counter(sys.path) - Counter(before)}
    foreign = set().union(*_added.values()) - own - set(map(_real, _of_python))
    path = [entry for entry in sys.path if _real(entry) not in foreign]
    files = found_along(code, [*path, str(file.parent), *_below(file.parent)], _of_python)
    imports = _Imports(path, files, _optional(text))
    together = {**_of_files, str(file): imports}
    _refuse_copies(str(file), files)
    for plugin in together:
        _refuse_others(plugin, together)
    for name in imports.files:
        here = module_file(name)
        if here is not None and not in_packages(here):
            with suppress(OSError):  # it is gone, or not to be read
                imports.hashes[name] = digest(name, here, sys.modules.get(name))
    _of_files[str(file)] = imports


def forget(file: str) -> None:
    """Look no longer at what a plug-in file means; what it imported stays imported."""
    _of_files.pop(file, None)


def start_over() -> None:
    """Forget all plug-in files, the user's modules that they import, and their folders on `sys.path`."""
    folders = set().union(*_added.values()) - set(map(_real, _of_python))
    for imports in _of_files.values():
        for name in [name for name, file in imports.files.items() if file is not None and not in_packages(file)]:
            sys.modules.pop(name, None)
    sys.path[:] = [entry for entry in sys.path if _real(entry) not in folders]
    _of_files.clear()
    _added.clear()


def hashes_of(file: str) -> dict[str, str]:
    """Hashes of the modules that a plug-in file imports, when it was loaded, by name; not of installed packages."""
    return _of_files[file].hashes if file in _of_files else {}


def path_of(file: str) -> list[str]:
    """`sys.path` for a process in which a plug-in file is loaded alone."""
    path = _of_files[file].path if file in _of_files else []
    return [*path, *(entry for entry in sys.path if entry not in path)]


def _refuse_others(plugin: str, together: Mapping[str, _Imports]) -> None:
    """Refuse modules of this process that are not those that a plug-in file means by their names."""
    for name, meant in together[plugin].files.items():
        here = module_file(name)
        if here is None and meant is not None:  # one that a file adds the folder of later is found by others
            named = (other.files.get(name) for other in together.values())
            here = next((file for file in named if file is not None and _real(file) != _real(meant)), None)
        if here is None or (meant and _real(here) == _real(meant)):
            continue
        whose = _whose(here, plugin)
        if meant is None and not (whose and name in together[plugin].optional):
            continue
        # Else it is what Python gives this file alone, too: by another finder, or from another folder of its own.
        if not whose and not (meant and in_packages(here) and not in_packages(meant)):
            continue
        raise PluginError(
            f"plug-in file {plugin} imports {name} and means {meant or 'none'}, but here {name} is {here}{whose}: "
            "rename one of the two, or put each into a package with a name of its own"
        )


def _refuse_copies(plugin: str, files: Mapping[str, Path | None]) -> None:
    """Refuse a file's own copy of a package that amb is made with: amb's own solvers would run with it from now on."""
    for name, file in files.items():
        if file is None or name not in _packages_of_amb() or in_packages(file):
            continue
        installed = module_file(name, _of_python)
        if installed is not None and in_packages(installed):
            raise PluginError(
                f"plug-in file {plugin} imports {name} and means {file}, but {name} is also a package that amb uses, "
                f"{installed}: rename the copy"
            )


@cache
def _packages_of_amb() -> set[str]:
    """Names of modules that amb's own code may import, as far as they are those of their distributions."""
    return {re.split(r"[^\w.-]", line, maxsplit=1)[0].replace("-", "_") for line in requires("amb") or ()}


def _below(folder: Path) -> list[str]:
    """Folders in a folder, which a plug-in file may have on `sys.path` only while it imports from them."""
    try:
        return sorted(entry.path for entry in os.scandir(folder) if entry.is_dir())[:_MOST_FOLDERS]
    except OSError:  # a worker of Dask need not have the file
        return []


def _optional(text: bytes) -> set[str]:
    """Names of modules that code tries to import, and goes on without."""
    tried = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Try) and node.handlers)
    nodes = [inner for node in tried for part in node.body for inner in ast.walk(part)]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return {*names, *(node.module or "" for node in nodes if isinstance(node, ast.ImportFrom))}


def _whose(module: Path, plugin: str) -> str:
    """The end of a clause that names another plug-in file, in whose folders a module lies; "" if it does in none."""
    above = {str(place) for place in Path(_real(module)).parents}
    shared = _added[plugin] | {_real(entry) for entry in _of_python}
    other = next((file for file, folders in _added.items() if file != plugin and above & (folders - shared)), None)
    return "" if other is None else f" beside plug-in file {other}"


def _real(entry: str | Path) -> str:
    return os.path.realpath(entry)
