"""Is the code of a module that this process has loaded what its file says now?

Modules are told by their files, since they need not have been imported yet. But Python looks at a file once, and takes
byte code for a file's if its size and its time, in whole seconds, agree.
"""

import ast
import functools
import importlib.util
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from importlib.machinery import SourceFileLoader, SourcelessFileLoader
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from amb.errors import SpecError
from amb.file_identity import SETTLED_SECONDS, Identity

_Parts = Mapping[str, set[str]]
"""Texts of code: of functions by their qualified names, and of all that is executed at the import by ""."""

_known: dict[int, tuple[object, bytes]] = {}
"""What modules were made of when this was first asked, by the identity of their specs, which are kept with it."""


def digest(name: str, file: Path, module: ModuleType | None) -> str:
    """The hash of a module's file, 64 hexadecimal digits.

    Args:
        name: of the module.
        file: which it is, or would be, imported from.
        module: it, if it has been imported.

    Raises:
        OSError: the file cannot be read.
        SpecError: this process has other code of the module, or an import would take other code for it.
    """
    text = file.read_bytes()
    told = sha256(text).hexdigest()
    if module is None:
        _refuse_stale(file, Identity.of(file, links=True), _identity(_cached(file)))
        return told
    known = _known.get(id(_spec(module)))
    if known is None or known[1] != text:
        if known is None and _is_plain(module, file):
            _refuse_stale(file, Identity.of(file, links=True), _identity(_cached(file)))
        if changed := _changed(module, file, None if known is None else known[1], text):
            raise SpecError(
                f"{file} was changed after this process had imported it as {name} ({', '.join(changed)}), so runs of "
                "the code that was imported would be stored as those of the file: restart Python or reload the module"
            )
        executed(module, text)
    return told


def executed(module: ModuleType, text: bytes) -> None:
    """Note what a module was made of."""
    _known[id(_spec(module))] = _spec(module), text


def _spec(module: ModuleType) -> object:
    """What is another object once the module is reloaded."""
    return getattr(module, "__spec__", None) or module


def _is_plain(module: ModuleType, file: Path) -> bool:
    """Whether Python itself has imported it from this source; others may instrument its functions."""
    spec = getattr(module, "__spec__", None)
    return type(getattr(spec, "loader", None)) is SourceFileLoader and getattr(spec, "origin", None) == str(file)


def _changed(module: ModuleType, file: Path, known: bytes | None, text: bytes) -> list[str]:
    """What of a loaded module is not what its file says: names of functions and variables, or where."""
    now, held = _parts(file, text), _functions(module, file)
    changed: set[str] = set()
    if known is not None:
        before: _Parts = _parts(file, known)
    elif not _is_plain(module, file) or not _edited_in_this_process(file):
        return []
    else:
        # Other processes write byte code, too: what it says is true only together with what this one holds.
        before = now if (code := _written(file)) is None else _split(code)
        changed |= {name for name in now if held[name] - now[name]}
        changed |= {*_other_constants(module, text)}
    for name in before.keys() | now.keys():
        old, new = before.get(name, set()), now.get(name, set())
        # A function may have been replaced alone, as IPython does where nothing else was edited.
        if old != new and not (name and new - old <= held[name] <= new):
            changed.add(name or "what it executes when it is imported")
    return sorted(changed)


def _edited_in_this_process(file: Path) -> bool:
    status = file.stat()
    return max(status.st_ctime, status.st_mtime) > _STARTED


def _started() -> float:
    """When this process began, in seconds since the epoch; where nothing says it, when it imported this module."""
    try:
        ticks = int(Path("/proc/self/stat").read_text(errors="replace").rpartition(")")[2].split()[19])
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError, IndexError):
        return time.time()


_STARTED = _started() - 1  # the clock of files is a coarse one
"""Files that were changed before cannot have been other ones when this process imported them."""


def _written(file: Path) -> CodeType | None:
    """The byte code that an import of this process must have left; None where Python writes none."""
    path = _cached(file)
    if sys.dont_write_bytecode or path is None or not os.access(path.parent, os.W_OK):
        return None
    return _byte_code(path)[0]


def _cached(file: Path) -> Path | None:
    """Where Python keeps a file's byte code."""
    try:
        return Path(importlib.util.cache_from_source(str(file))) if file.suffix == ".py" else None
    except NotImplementedError:
        return None


def _identity(path: Path | None) -> Identity | None:
    try:
        return None if path is None else Identity.of(path, links=True)
    except OSError:
        return None


@lru_cache(maxsize=4096)
def _refuse_stale(file: Path, source: Identity, written: Identity | None) -> None:
    """Refuse byte code that Python takes for a file's and that is of another text."""
    path = _cached(file)
    if path is None or written is None or written.modified / 1e9 > source.changed / 1e9 + SETTLED_SECONDS:
        return  # it was made of the file as it is
    text = file.read_bytes()
    code, header = _byte_code(path)
    flags = int.from_bytes(header[4:8], "little")
    if flags & 1:
        trusted = not flags & 2 or header[8:] == importlib.util.source_hash(text)
    else:
        trusted = header[8:] == b"".join(
            (number & 0xFFFFFFFF).to_bytes(4, "little") for number in (source.modified // 10**9, source.size)
        )
    if trusted and code is not None and _split(code) != _parts(file, text):
        raise SpecError(
            f"Python runs {path} in place of {file}: it is byte code of another text that had the same size and time, "
            f"so runs of the old code would be stored as those of the file: delete {path.parent} and restart Python"
        )


def _byte_code(path: Path) -> tuple[CodeType | None, bytes]:
    """The code in a file of byte code, None if it cannot be read here, and its header of 16 bytes."""
    try:
        with path.open("rb") as file:
            header = file.read(16)
        return SourcelessFileLoader(path.stem, str(path)).get_code(path.stem), header
    except (OSError, EOFError, ImportError, ValueError, TypeError):
        return None, b""


def _parts(file: Path, text: bytes) -> _Parts:
    """The code that a text compiles to; of what is no Python, itself."""
    try:
        if file.suffix == ".py":
            return _split(compile(text, str(file), "exec", dont_inherit=True))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    return {"": {sha256(text).hexdigest()}}


def _split(code: CodeType) -> _Parts:
    parts: dict[str, set[str]] = defaultdict(set)
    parts[""].add(_text(code, parts))
    return dict(parts)


def _text(code: object, parts: dict[str, set[str]] | None = None) -> str:
    """The text of code, or of a constant, whatever its lines.

    Args:
        code: the code.
        parts: where functions of modules and classes are told apart.
    """
    if isinstance(code, tuple):
        return f"({', '.join(_text(entry, parts) for entry in code)})"
    if isinstance(code, frozenset):
        return f"{{{', '.join(sorted(map(_text, code)))}}}"
    if not isinstance(code, CodeType):
        return repr(code)
    takes = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    constants = []
    for constant in code.co_consts:
        if parts is None or not isinstance(constant, CodeType):
            constants.append(_text(constant))
        elif not constant.co_flags & CO_OPTIMIZED:  # the body of a class
            constants.append(_text(constant, parts))
        elif constant.co_name.startswith("<"):
            constants.append(_text(constant))
        else:
            parts[constant.co_qualname].add(_text(constant))
            constants.append(constant.co_qualname)
    return f"{takes} {names} {code.co_code.hex()} {code.co_exceptiontable.hex()} {constants}"


def _functions(module: ModuleType, file: Path) -> dict[str, set[str]]:
    """Texts of the functions of a file that a loaded module has, by their qualified names."""
    found: dict[str, set[str]] = defaultdict(set)
    seen: set[int] = set()
    waiting = [*_attributes(module).values()]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, type):
            waiting += vars(value).values() if value.__module__ == module.__name__ else ()
        elif isinstance(value, property):
            waiting += [value.fget, value.fset, value.fdel]
        elif isinstance(value, staticmethod | classmethod):
            waiting.append(value.__func__)
        elif isinstance(value, functools.cached_property):
            waiting.append(value.func)
        else:
            if type(value) is FunctionType and value.__code__.co_filename == str(file):
                found[value.__code__.co_qualname].add(_text(value.__code__))
            waiting.append(_attributes(value).get("__wrapped__"))  # by decorators
    return found


def _attributes(value: object) -> Mapping[str, object]:
    """Attributes of an object, without a call of its own code."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found if isinstance(found, dict) else {}


def _other_constants(module: ModuleType, text: bytes) -> Iterator[str]:
    """Names that a text gives a plain value, once, and that have another one in the module."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    bound = Counter(name for node in ast.walk(tree) for name in _bound(node))
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        name = targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else ""
        if bound[name] != 1 or name not in _attributes(module):
            continue
        try:
            value = ast.literal_eval(node.value)  # type: ignore[attr-defined]
        except (ValueError, TypeError, AttributeError):
            continue
        if not isinstance(value, list | dict | set) and _text(value) != _text(_attributes(module)[name]):
            yield name


def _bound(node: ast.AST) -> Iterator[str]:
    """Names that a node gives another value, those twice that it may give one at any time."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.Global):
        yield from (*node.names, *node.names)
    elif isinstance(node, ast.alias):
        yield node.asname or node.name.split(".")[0]
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
