"""Is the code of a module that this process has loaded what its file says now?

Modules are told by their files, since they need not have been imported yet. But Python looks at a file once, and takes
byte code for a file's if its size and its time, in whole seconds, agree.
"""

import functools
import importlib.util
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from importlib.machinery import SourceFileLoader, SourcelessFileLoader
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from amb.errors import SpecError
from amb.file_identity import SETTLED_SECONDS, Identity

_Parts = Mapping[str, set[str]]
"""Texts of code: of functions by their qualified names, and of all else that is executed at the import by ""."""
_MOST_DECORATORS = 20

_known: dict[int, tuple[object, bytes | list[str]]] = {}
"""Specs of modules, by their identity, with what the modules were made of, or what had been edited when first asked."""
_absent: dict[tuple[str, Path], bytes] = {}
"""Texts of modules that were not imported yet when they were last asked for."""


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
    known = None if module is None else _known.get(id(_spec(module)))
    if known is not None and known[1] == text:
        return told
    if module is None or (known is None and _is_plain(module, file)):
        _refuse_stale(file, Identity.of(file, links=True), _identity(_cached(file)))
    if module is None:
        _absent[name, file] = text
        return told
    absent = _absent.pop((name, file), text)
    if known is not None:
        changed = known[1] if isinstance(known[1], list) else _difference(_parts(file, known[1]), _parts(file, text))
    elif absent != text:  # either text may be the one that was imported
        changed = _difference(_parts(file, absent), _parts(file, text))
    else:
        changed = _edited_before(module, file, text)
    if changed and not _is_patched(name, file):
        if known is None:
            _known[id(_spec(module))] = _spec(module), changed
        raise SpecError(
            f"{file} was changed after this process had imported it as {name} ({', '.join(changed)}), so runs of the "
            "code that was imported would be stored as those of the file: restart Python or reload the module"
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


def _difference(before: _Parts, now: _Parts) -> list[str]:
    """What of a file's code has another text now, whatever its lines."""
    differ = [name for name in before.keys() | now.keys() if before.get(name) != now.get(name)]
    return sorted(name or "what it executes when it is imported" for name in differ)


def _edited_before(module: ModuleType, file: Path, text: bytes) -> list[str]:
    """What was edited since a module was imported, before anybody asked, as far as anything tells it.

    That is the byte code that its import has left, and its functions, if another process has written byte code since.
    """
    status = file.stat()
    if not _is_plain(module, file) or max(status.st_ctime, status.st_mtime) < _STARTED:
        return []
    now, path = _parts(file, text), _cached(file)
    if not sys.dont_write_bytecode and path is not None and os.access(path.parent, os.W_OK):
        code, _ = _byte_code(path)
        if code is not None and (changed := _difference(_split(code), now)):
            return changed
    return sorted({name for name, function in _functions(module, file) if function not in now.get(name, {function})})


def _functions(module: ModuleType, file: Path) -> Iterator[tuple[str, str]]:
    """Qualified names and texts of the functions of a file that a module has under these names."""
    owners: list[tuple[str, Mapping[str, object]]] = [("", _attributes(module))]
    while owners:
        prefix, entries = owners.pop()
        for name, entry in list(entries.items()):
            if isinstance(entry, type):
                if entry.__module__ == module.__name__ and entry.__qualname__ == prefix + name:
                    owners.append((f"{prefix}{name}.", vars(entry)))
                continue
            value: object = entry
            if isinstance(value, property):
                value = value.fget
            elif isinstance(value, staticmethod | classmethod):
                value = value.__func__
            elif isinstance(value, functools.cached_property):
                value = value.func
            for _ in range(_MOST_DECORATORS):
                value = _attributes(value).get("__wrapped__", value)
            if type(value) is FunctionType and value.__code__.co_filename == str(file):
                assert isinstance(value, FunctionType)
                if value.__code__.co_qualname == prefix + name:
                    yield prefix + name, _text(value.__code__)


def _attributes(value: object) -> Mapping[str, object]:
    """Attributes of an object, without a call of its own code."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_patched(name: str, file: Path) -> bool:
    """Whether IPython's autoreload has made a module what its file says, function by function, as it is loaded."""
    with suppress(Exception):  # of other versions of IPython, which reload it
        shell = sys.modules["IPython"].get_ipython()
        for callback in shell.events.callbacks["pre_run_cell"]:
            reloader = getattr(getattr(callback, "__self__", None), "_reloader", None)
            if reloader is not None and reloader.modules_mtimes.get(name) == file.stat().st_mtime:
                return str(file) not in reloader.failed
    return False


def _started() -> float:
    """When this process began, in seconds since the epoch; where nothing says it, when it imported this module."""
    try:
        ticks = int(Path("/proc/self/stat").read_text(errors="replace").rpartition(")")[2].split()[19])
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError, IndexError):
        return time.time()


_STARTED = _started() - 1  # the clock of files is a coarse one
"""Files that were changed before cannot have been other ones when this process imported them."""


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
