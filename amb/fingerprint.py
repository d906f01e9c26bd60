"""A hash of functions and values, by which results of code that has changed are never reused."""

import dis
import functools
import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import (
    BuiltinMethodType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MethodType,
    MethodWrapperType,
    ModuleType,
)

import numpy as np

from amb.errors import AmbError, SpecError
from amb.foreign import in_a_line
from amb.imported import OURS, in_packages, reached, source

_OF_EVERY_CLASS = {
    "__dict__", "__weakref__", "__module__", "__doc__", "__annotations__", "__annotations_cache__",
    "__annotate_func__", "__firstlineno__", "__static_attributes__", "_abc_impl",
}  # fmt: skip
_OF_NUMBA = ("boundscheck", "error_model", "fastmath", "parallel")
_BOUND = (MethodType, BuiltinMethodType, MethodWrapperType)
_GLOBAL_RANDOM_STATE = getattr(np.random.normal, "__self__", None)
"""Seeded by the system in every process; distributions of scipy hold it."""


def fingerprint(*parts: object) -> str:
    """A hash of some objects' content, 16 hexadecimal digits, the same in every process of one Python version.

    A function counts with its byte code, its constants, defaults and attributes, the values that it captures, and what
    it names of its own module and of others that are not installed packages: functions, classes and plain values,
    theirs included. A module that it imports itself counts with its file, and so do those that this one
    imports. Code of installed packages counts with its
    name only.

    Raises:
        SpecError: an object whose content cannot be told; the message names it.
    """
    try:
        return hashlib.sha256(_Content().of(parts).encode()).hexdigest()[:16]
    except AmbError:
        raise
    except Exception as cause:  # of an object's own code, or objects nested too deeply
        raise _untold(parts[0] if len(parts) == 1 else parts, cause) from cause


class _Content:
    """Texts that tell values apart. Equal content has equal texts, in whatever objects it is.

    What is met again is not looked through again: helpers that call one another would take forever.

    Args:
        within: the objects that are being looked through, by identity, and how many there were before each.
    """

    def __init__(self, within: dict[int, int] | None = None) -> None:
        self._within = dict(within or {})
        # The objects themselves are kept: a new one must not get the identity of one that is gone.
        self._known: dict[int, tuple[object, str]] = {}

    def of(self, value: object) -> str:
        """The text of a value; of anything but plain values, a hash."""
        if value is None or isinstance(value, bool | float | complex | str | bytes):
            return f"{type(value).__name__} {value!r}"
        if isinstance(value, int):
            return f"{type(value).__name__} {value:#x}"  # Python writes no more than 4,300 decimal digits
        key = id(value)
        if key in self._known:
            return self._known[key][1]
        if key in self._within:
            return f"again {len(self._within) - self._within[key]}"
        self._within[key] = len(self._within)
        digest = hashlib.sha256()
        for token in self._tokens(value):
            digest.update(token.encode(errors="surrogatepass") + b"\0")
        del self._within[key]
        self._known[key] = value, digest.hexdigest()
        return digest.hexdigest()

    def _tokens(self, value: object) -> Iterator[str]:
        if isinstance(value, np.ndarray | np.generic):
            yield from self._array(value)
        elif isinstance(value, dict | MappingProxyType) and type(value) in (dict, MappingProxyType):
            yield f"mapping {len(value)}"
            for key, entry in value.items():
                yield self.of(key)
                yield self.of(entry)
        elif isinstance(value, list | tuple) and type(value) in (list, tuple):
            yield f"{type(value).__name__} {len(value)}"
            yield from map(self.of, value)
        elif isinstance(value, set | frozenset) and type(value) in (set, frozenset):
            # Each alone: the order of a set differs between processes, and a cycle reads differently from each end.
            yield "set " + " ".join(sorted(_Content(self._within).of(entry) for entry in value))
        elif isinstance(value, memoryview):
            yield f"memory {value.format} {value.shape} {value.tobytes().hex()}"
        elif isinstance(value, re.Pattern):
            yield f"pattern {value.flags} {value.pattern!r}"
        elif isinstance(value, ModuleType):
            yield f"module {value.__name__}"
        elif value is _GLOBAL_RANDOM_STATE:
            yield "installed numpy.random"
        elif isinstance(value, functools.partial):
            yield f"partial {self.of(value.func)} {self.of(value.args)} {self.of(value.keywords)}"
        elif isinstance(value, _BOUND) and _has_state(value):
            yield f"method {self.of(getattr(value, '__func__', value.__qualname__))} {self.of(value.__self__)}"
        elif isinstance(value, np.ufunc):
            if value.__name__.endswith(" (vectorized)"):
                raise _untold(value, "numpy.frompyfunc hides the function that it calls")
            yield f"ufunc {value.__name__}"
        elif (wrapped := _wrapped(value)) is not None:
            yield f"wrapped {type(value).__qualname__} {self.of(wrapped)}"
            yield from self._compiled(value)
        elif hasattr(value, "__qualname__") and installed(value) and installed(type(value)):
            yield f"installed {getattr(value, '__module__', 'numpy')} {getattr(value, '__qualname__', value)}"
        elif isinstance(known := getattr(value, "fingerprint", None), str):
            yield f"fingerprint {known}"
        elif isinstance(value, FunctionType):
            yield from self._function(value)
        elif isinstance(value, CodeType):
            yield from self._code(value)
        elif isinstance(value, type):
            yield f"class {value.__qualname__} {self.of(type(value))} {self.of(value.__bases__)}"
            yield self.of({name: entry for name, entry in vars(value).items() if name not in _OF_EVERY_CLASS})
        elif isinstance(value, property):
            yield f"property {self.of(value.fget)} {self.of(value.fset)}"
        elif isinstance(value, functools.cached_property):
            yield f"cached property {self.of(value.func)}"
        elif isinstance(value, staticmethod | classmethod):
            yield f"{type(value).__name__} {self.of(value.__func__)}"
        else:
            yield from self._instance(value)

    def _array(self, value: "np.ndarray | np.generic") -> Iterator[str]:
        yield f"{'array' if isinstance(value, np.ndarray) else 'number'} {value.dtype} {value.dtype.str} {value.shape}"
        if isinstance(value, np.ma.MaskedArray):
            yield f"masked {self.of(np.ma.getdata(value))} {self.of(np.ma.getmaskarray(value))}"
        elif value.dtype.hasobject:
            yield self.of(value.tolist())
        else:
            yield hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        if not installed(type(value)):
            yield f"{self.of(type(value))} {self.of(getattr(value, '__dict__', None))}"

    def _function(self, function: FunctionType) -> Iterator[str]:
        yield from self._code(function.__code__)
        yield from reached(function)
        yield self.of((function.__defaults__, function.__kwdefaults__, function.__dict__))
        for cell in function.__closure__ or ():
            try:
                captured = cell.cell_contents
            except ValueError:  # the variable has no value yet, or no longer
                yield "no value"
            else:
                yield self.of(captured)
        names = names_in(function.__code__)
        for name in sorted(names & function.__globals__.keys()):
            yield name
            yield from self._named(function.__globals__[name], names, ())

    def _named(self, value: object, names: set[str], within: tuple[object, ...]) -> Iterator[str]:
        """A global value; of a module that is not installed, what is named of it."""
        if not isinstance(value, ModuleType) or is_installed(value.__name__):
            yield self.of(value)
        elif value not in within:
            for name in sorted(names & vars(value).keys()):
                yield name
                yield from self._named(vars(value)[name], names, (*within, value))

    def _code(self, code: CodeType) -> Iterator[str]:
        takes = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
        yield f"code {code.co_code.hex()} {code.co_names} {code.co_varnames} {code.co_freevars} {takes}"
        yield getattr(code, "co_exceptiontable", b"").hex()
        yield self.of(code.co_consts)
        for instruction in dis.get_instructions(code):
            if instruction.opname == "IMPORT_NAME":
                yield source(str(instruction.argval))

    def _compiled(self, value: object) -> Iterator[str]:
        """How numba compiles a function, as far as values depend on it and it was stated."""
        dispatcher = getattr(value, "_dispatcher", value)
        options = getattr(dispatcher, "targetoptions", None) or {}
        stated = {name: options[name] for name in _OF_NUMBA if options.get(name) not in (None, False, "python")}
        types = {name: str(kind) for name, kind in (getattr(dispatcher, "locals", None) or {}).items()}
        signatures = getattr(dispatcher, "nopython_signatures", ())
        if stated or types:
            yield f"compiled {self.of(stated)} {self.of(types)}"
        if signatures and not getattr(dispatcher, "_can_compile", True):
            yield f"signatures {self.of([str(signature) for signature in signatures])}"

    def _instance(self, value: object) -> Iterator[str]:
        """An object by its class and what `pickle` would store of it."""
        if hasattr(value, "__array__"):  # also torch's tensors, once they are detached
            plain = value.detach().cpu() if hasattr(value, "detach") else value
            yield self.of(np.asarray(plain))
            return
        try:
            reduced = value.__reduce_ex__(4)
        except Exception as cause:
            raise _untold(value, cause) from cause
        if isinstance(reduced, str):
            yield f"global {type(value).__module__} {reduced}"
            return
        make, arguments, state, items, entries = (*reduced, None, None, None)[:5]
        yield self.of((make, arguments, state, list(items or ()), list(entries or ())))


def _wrapped(value: object) -> FunctionType | None:
    """A user's function behind an object of an installed class, as by functools.lru_cache or numba.njit."""
    if isinstance(value, FunctionType | type) or not installed(type(value)):
        return None
    wrapped = getattr(value, "__wrapped__", None)
    return wrapped if isinstance(wrapped, FunctionType) and not installed(wrapped) else None


def _untold(value: object, cause: "BaseException | str") -> SpecError:
    why = cause if isinstance(cause, str) else in_a_line(cause)
    try:
        shown = f"{value!r:.200}"
    except Exception:
        shown = f"a {type(value).__name__}"
    return SpecError(
        f"cannot tell whether {shown} has changed ({why}), so stored results could be those of another one; "
        "give a version yourself"
    )


def names_in(code: CodeType) -> set[str]:
    """Names that a function and the functions inside it look up."""
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*map(names_in, inner))


def _has_state(method: object) -> bool:
    """Whether a bound method is one of an object of the user's, not a function of a module, such as `random.random`."""
    owner = getattr(method, "__self__", None)
    if owner is None or isinstance(owner, ModuleType):
        return False
    module = sys.modules.get(type(owner).__module__)
    return getattr(module, getattr(method, "__name__", ""), None) != method


def installed(definition: object) -> bool:
    """Whether a function or class comes from an installed package, the standard library or `amb`."""
    return is_installed(getattr(definition, "__module__", None) or "builtins")


def is_installed(name: str) -> bool:
    """Whether a module, by its name, comes from an installed package, the standard library or `amb`."""
    if name.split(".")[0] in OURS:
        return True
    while name not in sys.modules and "." in name:  # some names of compiled modules belong to none
        name = name.rpartition(".")[0]
    module = sys.modules.get(name)
    if module is None or name == "__main__":
        return False
    places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    file = next(filter(None, places), None)
    if file is None:
        return True  # built in
    return in_packages(Path(file))
