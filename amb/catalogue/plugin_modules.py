"""The modules that plug-in files import from other files of the user's, such as those beside them.

Files given with `--plugin` share one process, and with it one module of each name, but two folders may each have a
`helper.py`. Every file must be given the modules that it would be given alone.
"""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import CodeType

from msgspec import Struct

from amb.errors import PluginError
from amb.imported import found_along, found_here
from amb.installed import in_packages
from amb.loaded_code import digest


class _Imports(Struct):
    """What a plug-in file imports.

    Attributes:
        path: `sys.path` as it would be, had no other plug-in file been loaded.
        files: of modules by their names, as they are found along it, or beside the plug-in file.
        hashes: of those files, but for installed packages, as they were imported or would be.
    """

    path: list[str]
    files: dict[str, Path]
    hashes: dict[str, str] = {}


_of_files: dict[str, _Imports] = {}
_added: dict[str, set[str]] = {}
"""Folders that plug-in files have added to `sys.path`, and their own: loaded ones, and those that were."""
_of_python: list[str] = []
"""`sys.path` before the first plug-in file."""


def note(file: Path, code: CodeType, before: Sequence[str]) -> None:
    """Note what a plug-in file imports that was executed, and verify it together with all others.

    Args:
        file: the file.
        code: what was executed of it.
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
    imports = _Imports(path, found_along(code, [*path, str(file.parent)], _of_python))
    for plugin, one in {**_of_files, str(file): imports}.items():
        _refuse_others(plugin, one)
    for name in imports.files:
        here = found_here(name)
        if here is not None and not in_packages(here):
            with suppress(OSError):  # it is gone, or not to be read
                imports.hashes[name] = digest(name, here, sys.modules.get(name))
    _of_files[str(file)] = imports


def forget(file: str) -> None:
    """Look no longer at what a plug-in file means; what it imported stays imported."""
    _of_files.pop(file, None)


def hashes_of(file: str) -> dict[str, str]:
    """Hashes of the modules that a plug-in file imports, when it was loaded, by name; not of installed packages."""
    return _of_files[file].hashes if file in _of_files else {}


def path_of(file: str) -> list[str]:
    """`sys.path` for a process in which a plug-in file is loaded alone."""
    path = _of_files[file].path if file in _of_files else []
    return [*path, *(entry for entry in sys.path if entry not in path)]


def _refuse_others(plugin: str, imports: _Imports) -> None:
    """Refuse modules of this process that are not those that a plug-in file means by their names."""
    for name, meant in imports.files.items():
        here = found_here(name)
        if here is None or (name in sys.modules and in_packages(here)) or _real(here) == _real(meant):
            continue
        raise PluginError(
            f"plug-in file {plugin} imports {name} and means {meant}, but here {name} is {here}{_whose(here, plugin)}: "
            "rename one of the two, or put each into a package with a name of its own"
        )


def _whose(module: Path, plugin: str) -> str:
    """The end of a clause that names the plug-in file beside which a module lies."""
    folders = {_real(Path(other).parent): other for other in _added if other != plugin}
    found = next((folders[str(place)] for place in Path(_real(module)).parents if str(place) in folders), None)
    return "" if found is None else f" beside plug-in file {found}"


def _real(entry: str | Path) -> str:
    return os.path.realpath(entry)
