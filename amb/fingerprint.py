"""A hash of functions and values, by which results of code that has changed are never reused."""

import functools
import hashlib
import re
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType

import numpy as np

from amb.errors import SpecError

_STANDARD = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
_PACKAGES = {"site-packages", "dist-packages"}
_OF_EVERY_CLASS = {"__dict__", "__weakref__", "__module__", "__doc__", "__annotations__", "_abc_impl"}
_OURS = {"amb", "amb_problems", "amb_solvers", "amb_reports"}


def fingerprint(*parts: object) -> str:
    """A hash of some objects' content, 16 hexadecimal digits, the same in every process of one Python version.

    A function counts with its byte code, its constants and defaults, the values that it captures, and the functions and
    plain values of its module that it names, theirs included. Code of installed packages counts with its name only.

    Raises:
        SpecError: an object whose content cannot be told; the message names it.
    """
    digest = hashlib.sha256()
    for token in _tokens(parts, set()):
        digest.update(token.encode() + b"\0")
    return digest.hexdigest()[:16]


def _tokens(value: object, seen: set[int]) -> Iterator[str]:
    """Texts that tell the value apart from others; `seen` are the objects that are being told."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | np.generic | re.Pattern):
        yield f"{type(value).__name__} {value!r}"
        return
    if id(value) in seen:
        yield "again"
        return
    seen = seen | {id(value)}
    if isinstance(value, np.ndarray):
        yield f"array {value.dtype.str} {value.shape}"
        if value.dtype.hasobject:
            yield from _tokens(value.tolist(), seen)
        else:
            yield hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)}"
        for key, entry in value.items():
            yield from _tokens((key, entry), seen)
    elif isinstance(value, Sequence):
        yield f"{type(value).__name__} {len(value)}"
        for entry in value:
            yield from _tokens(entry, seen)
    elif isinstance(value, Set):
        yield "set " + " ".join(sorted(" ".join(_tokens(entry, seen)) for entry in value))
    elif isinstance(value, ModuleType):
        yield f"module {value.__name__}"
    elif isinstance(value, np.ufunc) or (hasattr(value, "__qualname__") and _installed(value)):
        yield f"installed {getattr(value, '__module__', 'numpy')} {getattr(value, '__qualname__', value)}"
    elif isinstance(known := getattr(value, "fingerprint", None), str):
        yield f"fingerprint {known}"
    elif isinstance(value, functools.partial):
        yield from _tokens((value.func, value.args, value.keywords), seen)
    elif isinstance(value, MethodType):
        yield from _tokens((value.__func__, value.__self__), seen)
    elif isinstance(value, FunctionType):
        yield from _function(value, seen)
    elif isinstance(value, CodeType):
        yield from _code(value, seen)
    elif isinstance(value, type):
        yield f"class {value.__qualname__}"
        content = {name: entry for name, entry in vars(value).items() if name not in _OF_EVERY_CLASS}
        yield from _tokens((value.__bases__, content), seen)
    elif isinstance(value, property):
        yield from _tokens((value.fget, value.fset), seen)
    elif isinstance(value, staticmethod | classmethod):
        yield from _tokens(value.__func__, seen)
    else:
        yield from _instance(value, seen)


def _function(function: FunctionType, seen: set[int]) -> Iterator[str]:
    yield from _code(function.__code__, seen)
    captured = [cell.cell_contents for cell in function.__closure__ or ()]
    yield from _tokens((function.__defaults__, function.__kwdefaults__, captured), seen)
    for name in sorted(_names(function.__code__) & function.__globals__.keys()):
        yield name
        yield from _tokens(function.__globals__[name], seen)


def _code(code: CodeType, seen: set[int]) -> Iterator[str]:
    yield f"code {code.co_code.hex()} {code.co_names} {code.co_varnames}"
    yield from _tokens(code.co_consts, seen)


def _names(code: CodeType) -> set[str]:
    """Names that a function and the functions inside it look up."""
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*map(_names, inner))


def _instance(value: object, seen: set[int]) -> Iterator[str]:
    """An object by its class and what `pickle` would store of it."""
    if hasattr(value, "__array__"):  # also torch's tensors, once they are detached
        plain = value.detach().cpu() if hasattr(value, "detach") else value
        yield from _tokens(np.asarray(plain), seen)
        return
    try:
        reduced = value.__reduce_ex__(4)
    except Exception as cause:
        raise SpecError(
            f"cannot tell whether {value!r} has changed ({cause}), so stored results could be those of another one; "
            "give a version yourself"
        ) from cause
    if isinstance(reduced, str):
        yield f"global {type(value).__module__} {reduced}"
        return
    make, arguments, state, items, entries = (*reduced, None, None, None)[:5]
    yield from _tokens((make, arguments, state, list(items or ()), list(entries or ())), seen)


def _installed(definition: object) -> bool:
    """Whether a function or class comes from an installed package, the standard library or `amb`."""
    name = getattr(definition, "__module__", None) or "builtins"
    if name.split(".")[0] in _OURS:
        return True
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None:
        return name != "__main__"
    folders = Path(file).parents
    return any(folder.name in _PACKAGES or folder in _STANDARD for folder in folders)
