"""Modules that a function imports itself, by their files, since they need not have been imported yet."""

import ast
import dis
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from zipfile import BadZipFile, ZipFile, is_zipfile

from amb.file_identity import Identity
from amb.installed import OURS, in_packages
from amb.loaded_code import digest

_MISSED = (ImportError, ValueError, OSError, AttributeError, SyntaxError, RecursionError, BadZipFile)
"""What finding or reading a module may raise; whatever calls the function finds it out."""


def source(name: str) -> str:
    """What a module counts for that is imported by this name.

    Raises:
        SpecError: this process has other code of it than its file.
    """
    file = _file(name)
    try:
        return f"import {name}" if file is None else f"import {name} {digest(name, file, sys.modules.get(name))}"
    except _MISSED:
        return f"import {name}"


def reached(function: FunctionType) -> Iterator[str]:
    """What modules count for that a function's own imports reach, but for those that `source` counts.

    Modules of installed packages, and of `amb`, reach nothing.
    """
    package = str(function.__globals__.get("__package__") or "")
    direct, waiting = set(), []
    for name, level, attributes in _imports(function.__code__):
        if not level:
            direct.add(name)
        waiting += _meant(name, level, attributes, package)
    by_name = set(_named(function.__code__))
    yield from _reached([*waiting, *by_name], direct - by_name)


def held(module: ModuleType) -> Iterator[str]:
    """What a module that is not installed counts for where it is a value: its file, and those that it imports.

    Raises:
        OSError: it has no file.
        SpecError: this process has other code of it, or of one of them, than the file.
    """
    file = _or_archive(Path(getattr(module, "__file__", None) or ""))
    yield f"module {module.__name__} {digest(module.__name__, file, module)}"
    yield from _reached(_imported_by(file, Identity.of(file, links=True), module.__name__), set())


def _reached(names: Iterable[str], direct: set[str]) -> Iterator[str]:
    """What modules count for that may be loaded by these names, with those that they import, but for some of them."""
    waiting, seen = [*names], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or not (file := _file(name)):
            continue
        seen.add(name)
        waiting += _imported_by(file, Identity.of(file, links=True), name)
    for name in sorted(seen - direct):
        if file := _file(name):
            yield f"reaches {name} {digest(name, file, sys.modules.get(name))}"


def _imports(code: CodeType) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """Name, level and attributes of every import of a function and the functions inside it."""
    instructions = [one for one in dis.get_instructions(code) if one.opname != "EXTENDED_ARG"]
    for i, one in enumerate(instructions):
        if one.opname == "IMPORT_NAME":
            level, attributes = instructions[i - 2].argval, instructions[i - 1].argval
            yield str(one.argval), level if isinstance(level, int) else 0, tuple(attributes or ())
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _imports(inner)


def _named(code: CodeType) -> Iterator[str]:
    """What may be a module's name, in code that imports modules by their names."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _named(constant)
        elif not isinstance(constant, str) or not {"import_module", "__import__", "modules"} & set(code.co_names):
            continue
        elif all(part.isidentifier() for part in constant.split(".")):
            yield constant


def _meant(name: str, level: int, attributes: tuple[str, ...], package: str) -> list[str]:
    """Modules that an import may load: the one named, those above it, and attributes that are modules."""
    try:
        whole = importlib.util.resolve_name("." * level + name, package or None)
    except _MISSED:
        return []
    parts = whole.split(".")
    above = [".".join(parts[: i + 1]) for i in range(len(parts))]
    return [*above, *(f"{whole}.{attribute}" for attribute in attributes if attribute != "*")]


@lru_cache(maxsize=4096)
def _imported_by(file: Path, _: Identity, name: str) -> tuple[str, ...]:
    """Modules that a source file imports, or those of an archive, anywhere in it, also by a name that it states."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    found: list[str] = []
    try:
        for node in (node for text in _texts(file) for node in ast.walk(ast.parse(text))):
            if isinstance(node, ast.Import):
                found += [module for alias in node.names for module in _meant(alias.name, 0, (), package)]
            elif isinstance(node, ast.ImportFrom):
                attributes = tuple(alias.name for alias in node.names)
                found += _meant(node.module or "", node.level, attributes, package)
            elif isinstance(node, ast.Call) and (whole := _named_in(node)):
                absolute = whole.lstrip(".")
                found += _meant(absolute, len(whole) - len(absolute), (), package)
    except _MISSED:
        return ()
    return tuple(found)


def _texts(file: Path) -> Iterator[bytes]:
    """The text of a source file, or those in an archive, whose relative imports stay in it."""
    if file.suffix == ".py":
        yield file.read_bytes()
    elif is_zipfile(file):
        with ZipFile(file) as archive:
            yield from (archive.read(name) for name in archive.namelist() if name.endswith(".py"))


def _or_archive(file: Path) -> Path:
    """A file, or the archive (.zip, .egg) in which it is."""
    return next((place for place in (file, *file.parents) if place.is_file()), file)


def _named_in(call: ast.Call) -> str:
    """The name of the module that a call imports by a text; "" of other calls."""
    called = getattr(call.func, "attr", getattr(call.func, "id", ""))
    first = call.args[0] if call.args and called in ("import_module", "__import__") else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""


def _file(name: str) -> Path | None:
    """The file of a module that is not installed, found without importing the packages above it."""
    file = module_file(name)
    return None if file is None or in_packages(file) else file


def found_along(code: CodeType, path: Sequence[str], known: Sequence[str]) -> dict[str, Path | None]:
    """Files of the modules that code names, by name, as a process that has imported nothing finds them along a path.

    None are those of the standard library and of `amb`, and what is not found, which may be no module. With the modules
    are those that they import themselves, but for modules of installed packages, and those that are found along the
    path `known` as well.
    """
    waiting = [*_named(code)]
    for name, level, attributes in _imports(code):
        waiting += [] if level else _meant(name, level, attributes, "")
    found: dict[str, Path | None] = {}
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        file = found[name] = module_file(name, path)
        if file is not None and not in_packages(file) and module_file(name, known) != file:
            waiting += _imported_by(file, Identity.of(file, links=True), name)
    return found


def module_file(name: str, path: Sequence[str] | None = None) -> Path | None:
    """The file of a module, or the archive that it is in; None of the standard library and of `amb`.

    Args:
        name: of the module.
        path: where a process that has imported nothing finds it; by default it is looked for as this process has
            imported it, or would.
    """
    top, *rest = name.split(".")
    if top in OURS or top in sys.stdlib_module_names:
        return None
    try:
        found = importlib.util.find_spec(top) if path is None else PathFinder.find_spec(top, path)
        for i in range(len(rest)):
            if found is None or found.submodule_search_locations is None:
                return None
            part, where = ".".join([top, *rest[: i + 1]]), [*found.submodule_search_locations]
            loaded = None if path is not None else getattr(sys.modules.get(part), "__spec__", None)
            found = loaded or PathFinder.find_spec(part, where)
        file = None if found is None or found.origin is None else Path(found.origin)
        file = None if file is None else _or_archive(file)
        return file if file is not None and file.is_file() else None
    except _MISSED:
        return None
