"""A hash of functions and values, by which results of code that has changed are never reused."""

import dis
import functools
import gc
import hashlib
import os
import re
import sys
from collections.abc import AsyncGenerator, Coroutine, Generator, Iterable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import (
    BuiltinMethodType,
    CodeType,
    FunctionType,
    GenericAlias,
    MappingProxyType,
    MethodType,
    MethodWrapperType,
    ModuleType,
)
from weakref import WeakKeyDictionary

import numpy as np

from amb.errors import AmbError, SpecError
from amb.foreign import in_a_line
from amb.imported import held, reached, source
from amb.installed import OURS, at_its_name, in_packages, installed, is_installed, is_written_in_c
from amb.looked_up import NO_VALUE, Environment, captured_by, looked_up, read_globals

_OF_EVERY_CLASS = {
    "__dict__", "__weakref__", "__module__", "__doc__", "__annotations__", "__annotations_cache__",
    "__annotate_func__", "__firstlineno__", "__static_attributes__", "_abc_impl",
}  # fmt: skip
_OF_NUMBA = ("boundscheck", "error_model", "fastmath", "parallel")
_BOUND = (MethodType, BuiltinMethodType, MethodWrapperType)
_PLAIN = (bool, int, float, complex, str, bytes)
_NOTE = "__slotnames__"
_PICKLING = ("__reduce_ex__", "__reduce__", "__getstate__")
_OF_NUMBERS = {"numpy", "torch", "jax", "jaxlib"}
"""Packages whose arrays are told by their numbers alone."""
_BESIDE_FINGERPRINT = ("id", "name", "layer")
"""What tells problems of one network apart, and targets: a fingerprint is that of the network."""
_GLOBAL_RANDOM_STATE = getattr(np.random.normal, "__self__", None)
"""Seeded by the system in every process; distributions of scipy hold it."""


def fingerprint(*parts: object, lenient: bool = False) -> str:
    """A hash of some objects' content, 16 hexadecimal digits, the same in every process of one Python version.

    A function counts with its byte code, its constants, defaults and attributes, the values that it captures, and what
    it names of its own module and of others that are not installed packages: functions, classes and plain values,
    theirs included. So do the command's arguments, if it reads `sys.argv`, and variables of the environment, if it
    reads them, whose names are among the texts that count. A module that it imports itself, or that is among an
    object's values, counts with its file, and so do those that this one imports. Code of installed packages counts
    with its name only.

    Args:
        parts: the objects.
        lenient: whether an object whose content cannot be told, such as a lock or an open file, counts with its class,
            as does one that holds it.

    Raises:
        SpecError: an object whose content cannot be told; the message names it.
    """
    try:
        environment = Environment()
        text = _Content(environment, lenient=lenient).of(parts) + environment.of_named()
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
    except AmbError:
        raise
    except Exception as cause:  # of an object's own code, or objects nested too deeply
        raise _untold(parts[0] if len(parts) == 1 else parts, cause) from cause


class _Content:
    """Texts that tell values apart. Equal content has equal texts, in whatever objects it is.

    What is met again is not looked through again: helpers that call one another would take forever.

    Args:
        environment: receives what is read of the environment.
        within: the objects that are being looked through, by identity, and how many there were before each.
        pickled: classes of objects that Python has pickled for their content, which leaves a note in them.
        lenient: see `fingerprint`.
    """

    def __init__(
        self,
        environment: Environment,
        within: dict[int, int] | None = None,
        pickled: Iterable[type] = (),
        *,
        lenient: bool = False,
    ) -> None:
        self._environment, self._lenient = environment, lenient
        self._within = dict(within or {})
        self._pickled = set(pickled)
        # The objects themselves are kept: a new one must not get the identity of one that is gone.
        self._known: dict[int, tuple[object, str]] = {}

    def of(self, value: object) -> str:
        """The text of a value; of anything but plain values, a hash."""
        if value is None or (isinstance(value, _PLAIN) and (type(value) in _PLAIN or installed(type(value)))):
            if isinstance(value, int) and not isinstance(value, bool):
                return f"{type(value).__name__} {value:#x}"  # Python writes no more than 4,300 decimal digits
            if isinstance(value, str):
                self._environment.texts.add(value)
            return f"{type(value).__name__} {value!r}"
        key = id(value)
        if key in self._known:
            return self._known[key][1]
        if key in self._within:
            return f"again {len(self._within) - self._within[key]}"
        self._within[key] = len(self._within)
        digest = hashlib.sha256()
        try:
            for token in self._tokens(value):
                digest.update(token.encode(errors="surrogatepass") + b"\0")
        except SpecError:
            if not self._lenient:
                raise
            digest = hashlib.sha256(f"untold {type(value).__module__}.{type(value).__qualname__}".encode())
        finally:
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
            more = self._environment, self._within, self._pickled
            alone = [(entry, _Content(*more, lenient=self._lenient)) for entry in value]
            yield "set " + " ".join(sorted(content.of(entry) for entry, content in alone))
            self._pickled.update(*(content._pickled for _, content in alone))
        elif isinstance(value, memoryview):
            yield f"memory {value.format} {value.shape} {value.tobytes().hex()}"
        elif isinstance(value, re.Pattern):
            yield f"pattern {value.flags} {value.pattern!r}"
        elif isinstance(value, ModuleType):
            yield from self._module(value)
        elif value is _GLOBAL_RANDOM_STATE:
            yield "installed numpy.random"
        elif value is os.environ or value is os.getenv:
            self._environment.is_read = True
            yield "environment"
        elif isinstance(value, functools.partial):
            yield f"partial {self.of(value.func)} {self.of(value.args)} {self.of(value.keywords)}"
            yield from self._own_class(value)
        elif isinstance(value, _BOUND) and _has_state(value):
            yield f"method {self.of(getattr(value, '__func__', value.__qualname__))} {self.of(value.__self__)}"
        elif isinstance(value, np.ufunc):
            if value.__name__.endswith(" (vectorized)"):
                raise _untold(value, "numpy.frompyfunc hides the function that it calls")
            if not any(vars(m).get(value.__name__) is value and is_installed(m) for m in _modules()):
                raise _untold(value, "no installed package has it, and it hides the function that it calls")
            yield f"ufunc {value.__name__}"
        elif (wrapped := _wrapped(value)) is not None:
            yield f"wrapped {type(value).__qualname__} {self.of(wrapped)}"
            yield from self._compiled(value)
            yield from self._held(value)
        elif isinstance(value, GenericAlias):
            yield f"alias {self.of(value.__origin__)} {self.of(value.__args__)}"
        elif isinstance(value, Generator | Coroutine | AsyncGenerator) and hasattr(value, "__qualname__"):
            raise _untold(value, "it has a state that nothing tells")
        elif hasattr(value, "__qualname__") and installed(value) and installed(type(value)):
            yield f"installed {getattr(value, '__module__', 'numpy')} {getattr(value, '__qualname__', value)}"
            if type(value) is not FunctionType:
                yield from () if at_its_name(value) else self._held(value)
            elif "<locals>" in value.__qualname__ and value.__module__.split(".")[0] not in sys.stdlib_module_names:
                yield from self._given(value)
        elif type(value) is FunctionType:
            yield from self._function(value)
        elif isinstance(value, CodeType):
            yield from self._code(value)
        elif isinstance(value, type):
            yield f"class {value.__qualname__} {self.of(type(value))} {self.of(value.__bases__)}"
            entries = {name: entry for name, entry in vars(value).items() if name not in _OF_EVERY_CLASS}
            note = entries.pop(_NOTE, None)
            if _is_written_by_attrs(entries.get("__hash__")):
                entries["__hash__"] = "of attrs"
            # Whatever has pickled the class before, it counts as in a process where nothing has.
            yield self.of(entries | {_NOTE: note} if value in self._pickled and note is not None else entries)
        elif isinstance(value, property):
            yield f"property {self.of(value.fget)} {self.of(value.fset)}"
            yield from self._own_class(value)
        elif isinstance(value, functools.cached_property):
            yield f"cached property {self.of(value.func)}"
            yield from self._own_class(value)
        elif isinstance(value, staticmethod | classmethod):
            yield f"{type(value).__name__} {self.of(value.__func__)}"
            yield from self._own_class(value)
        elif _is_of_amb(type(value)) and isinstance(known := getattr(value, "fingerprint", None), str):
            named = (getattr(value, name, None) for name in _BESIDE_FINGERPRINT)
            yield f"fingerprint {known} {[one for one in named if isinstance(one, str)]}"
        else:
            # What it holds besides is its state at the time: a console's width, or the position in a file.
            lenient, self._lenient = self._lenient, False
            try:
                yield from self._instance(value)
            finally:
                self._lenient = lenient

    def _array(self, value: "np.ndarray | np.generic") -> Iterator[str]:
        yield f"{'array' if isinstance(value, np.ndarray) else 'number'} {value.dtype} {value.dtype.str} {value.shape}"
        if isinstance(value, np.ma.MaskedArray):
            yield f"masked {self.of(np.ma.getdata(value))} {self.of(np.ma.getmaskarray(value))}"
            fill = self.of(value.view().fill_value)  # of a view: to ask for it sets it
            if fill != self.of(np.ma.MaskedArray(np.empty(0, value.dtype)).fill_value):
                yield f"filled {fill}"
        elif value.dtype.hasobject:
            yield self.of(value.tolist())
        else:
            yield hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        if isinstance(value, np.matrix) or not type(value).__module__.startswith("numpy"):
            yield f"{self.of(type(value))} {self.of(getattr(value, '__dict__', None))}"
        else:
            yield from self._own_class(value)

    def _own_class(self, value: object) -> Iterator[str]:
        """The class and the attributes of an object that is looked at as one of a base class, unless that is all."""
        if not installed(type(value)):
            yield f"{self.of(type(value))} {self.of(getattr(value, '__dict__', None))}"

    def _module(self, module: ModuleType) -> Iterator[str]:
        """A module that is a value; which of its names will be looked up is not known."""
        if is_installed(module):
            yield f"module {module.__name__}"
            return
        try:
            yield from held(module)
        except OSError as cause:
            raise _untold(module, "it has no file") from cause

    def _function(self, function: FunctionType) -> Iterator[str]:
        yield from self._code(function.__code__)
        yield from reached(function)
        names = looked_up(function)
        cache = getattr(vars(function).get("_clear_cache"), "__self__", None)
        if isinstance(cache, WeakKeyDictionary):  # of functools.singledispatch: types that were met
            empty: WeakKeyDictionary[type, object] = WeakKeyDictionary()
            if len(vars(function)["registry"]) > 1:
                empty.clear()  # as every registration does
            self._known[id(cache)] = cache, self.of(empty)
        yield self.of((function.__defaults__, function.__kwdefaults__, function.__dict__))
        yield from self._captured(function, names)
        if "argv" in names:
            yield f"arguments {sys.argv[1:]}"
        self._environment.note_names(names)
        for name in read_globals(function, names):
            yield name
            yield from self._named(function.__globals__[name], names, ())

    def _captured(self, function: FunctionType, names: set[str]) -> Iterator[str]:
        for _, captured in captured_by(function):
            if captured is NO_VALUE:
                yield "no value"
            else:
                yield from self._named(captured, names, ())

    def _given(self, function: FunctionType) -> Iterator[str]:
        """What a function of an installed package was given by the one that made it, but for names."""
        defaults = *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()
        values = *defaults, *vars(function).values(), *(captured for _, captured in captured_by(function))
        if told := [value for value in values if not _is_named(value)]:
            yield self.of(told)

    def _held(self, value: object) -> Iterator[str]:
        """Functions of the user's that an object of an installed package holds, unless they are told already.

        Not all that it holds: caches and locks are no content.
        """
        for entry in gc.get_referents(value, getattr(value, "__dict__", None)):
            function = getattr(entry, "__func__", None) if isinstance(entry, MethodType) else entry
            function = function.func if isinstance(function, functools.partial) else function
            if type(function) is not FunctionType or getattr(entry, "__self__", None) is value:
                continue
            if not installed(function) and id(entry) not in self._known and id(entry) not in self._within:
                yield f"holds {self.of(entry)}"

    def _named(self, value: object, names: set[str], within: tuple[object, ...]) -> Iterator[str]:
        """A global value; of a module that is not installed, what is named of it."""
        if not isinstance(value, ModuleType) or is_installed(value):
            yield self.of(value)
        elif value not in within:
            lazy = "__getattr__" in vars(value)  # PEP 562: what is named is imported when it is asked for
            for name in sorted(names if lazy else names & vars(value).keys()):
                try:
                    entry = getattr(value, name) if lazy else vars(value)[name]
                except Exception:  # it has no such attribute
                    continue
                yield name
                yield from self._named(entry, names, (*within, value))

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
        """An object by its class and what `pickle` would store of it, or all of it where a user's code chooses that."""
        if hasattr(value, "__array__") and (package := _package_of_arrays(type(value))):
            plain = value.detach().cpu() if hasattr(value, "detach") else value  # of torch
            yield self.of(np.asarray(plain))
            if package == "torch" and vars(value):
                yield self.of(vars(value))
            yield from self._own_class(value)
            return
        if hasattr(value, "__array__") and installed(type(value)):
            yield self.of(np.asarray(value))
        chosen = not installed(type(value)) and any(_of_the_users(type(value), name) for name in _PICKLING)
        if not chosen:
            self._pickled.add(type(value))
        try:
            reduced = value.__reduce_ex__(4)
        except Exception as cause:
            raise _untold(value, cause) from cause
        if isinstance(reduced, str):
            yield f"global {type(value).__module__} {reduced}"
            yield from self._own_class(value)
            yield from _extension(getattr(value, "__module__", None))
        else:
            make, arguments, state, items, entries = (*reduced, None, None, None)[:5]
            yield self.of((make, arguments, state, list(items or ()), list(entries or ())))
        if installed(type(value)):
            yield from self._held(value)
        elif chosen:
            try:
                whole = _whole(value)
            except Exception as cause:
                raise _untold(value, cause) from cause
            yield f"whole {self.of(whole)}"


def _wrapped(value: object) -> object | None:
    """A user's function behind an object of an installed class, as by functools.lru_cache or numba.njit."""
    # A proxy of a function says that it is one; what Python itself takes for a function has no other type.
    if type(value) is FunctionType or isinstance(value, type):
        return None
    if not (installed(type(value)) or is_written_in_c(type(value))):
        return None
    wrapped = getattr(value, "__wrapped__", None)
    if type(wrapped) is FunctionType:
        return None if installed(wrapped) else wrapped
    return None if wrapped is None or _wrapped(wrapped) is None else wrapped


def _of_the_users(cls: type, name: str) -> bool:
    """Whether a class has a method that is none of an installed package's, nor of a decorator of one."""
    base = next(base for base in cls.__mro__ if name in vars(base))
    method = vars(base)[name]
    if type(method) is FunctionType and in_packages(Path(method.__code__.co_filename)):  # attrs gives it another module
        return False
    return not (installed(base) or installed(method))


def _whole(value: object) -> list[object]:
    """What an object has by its attributes, its slots and its base classes, whatever its own class has pickled of it.

    That may leave out what is large or made again.

    Raises:
        Exception: a base class cannot tell it.
    """
    parts: list[object] = [object.__getstate__(value)]
    if isinstance(value, dict):
        parts.append(dict(dict.items(value)))
    if isinstance(value, list):
        parts.append(list(list.__iter__(value)))
    if isinstance(value, set | frozenset):
        parts.append(set(value))
    bases = [base for base in type(value).__mro__ if base not in (object, set, frozenset) and installed(base)]
    for names in (("__reduce_ex__", "__reduce__"), ("__getnewargs_ex__", "__getnewargs__")):
        found = next(((base, name) for base in bases for name in names if name in vars(base)), None)
        if found is not None:
            base, name = found
            told = getattr(base, name)(value, *[4] * (name == "__reduce_ex__"))
            parts.append([list(part) if isinstance(part, Iterator) else part for part in told])
    return parts


def _is_named(value: object) -> bool:
    """Whether names are all that a value is: of functions and classes of packages, or of attributes in a row."""
    if isinstance(value, list | tuple):
        return all(isinstance(entry, str) or _is_named(entry) for entry in value)
    return value is None or isinstance(value, bool) or (hasattr(value, "__qualname__") and installed(value))


def _is_written_by_attrs(method: object) -> bool:
    """Whether it is a method that attrs has generated.

    A hash has a constant that differs in every process; what else it is follows from `__attrs_attrs__`.
    """
    return type(method) is FunctionType and method.__code__.co_filename.startswith("<attrs generated")


def _is_of_amb(cls: type) -> bool:
    """Whether a class derives from one of `amb`, where a fingerprint has a meaning."""
    return any(base.__module__.split(".")[0] in OURS for base in cls.__mro__)


def _package_of_arrays(cls: type) -> str:
    """The package whose arrays a class or a base of it is, if their numbers tell them."""
    packages = [base.__module__.split(".")[0] for base in cls.__mro__ if installed(base)]
    return next((package for package in packages if package in _OF_NUMBERS), "")


def _modules() -> list[ModuleType]:
    return [module for module in list(sys.modules.values()) if isinstance(module, ModuleType)]


def _extension(name: object) -> Iterator[str]:
    """What a compiled module of the user's counts for, whose functions show nothing but their names."""
    module = sys.modules.get(name) if isinstance(name, str) else None
    if str(getattr(module, "__file__", "")).endswith(tuple(EXTENSION_SUFFIXES)) and not is_installed(str(name)):
        yield source(str(name))


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


def _has_state(method: object) -> bool:
    """Whether a bound method is one of an object of the user's, not a function of a module, such as `random.random`."""
    owner = getattr(method, "__self__", None)
    if owner is None or isinstance(owner, ModuleType):
        return False
    module = sys.modules.get(type(owner).__module__)
    return not is_installed(type(owner).__module__) or getattr(module, getattr(method, "__name__", ""), None) != method
