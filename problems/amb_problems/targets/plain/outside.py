"""What a module's code keeps outside of the module: in globals, attributes of classes, closures, defaults and caches.

No copy has its own, and no rest reaches it, so an image could be answered with what was kept of another. Code of
installed packages is not looked through.
"""

import dis
import functools
import math
import threading
from collections import deque
from collections.abc import Iterator, Mapping, MutableMapping, MutableSet
from contextlib import suppress
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from torch import Tensor, nn

from amb.installed import installed, is_installed
from amb.looked_up import names_in
from amb_problems.targets.plain.places import (
    MISSING,
    Place,
    Put,
    Read,
    attributes,
    content,
    entries,
    put_attributes,
    put_content,
    put_entries,
    put_entry,
    put_tensor,
)

_DEEP = 4
_MANY = 10_000
"""Entries of a container, and objects in all, that are looked through; what is larger is data."""
_LARGE = 1 << 22
"""Numbers of a tensor or array that is compared."""


class Outside:
    """The state that a module's code can reach outside of the module, at the moment of creation."""

    def __init__(self, module: nn.Module) -> None:
        self._places: list[Place] = []
        self._seen: dict[int, object] = {id(part): part for part in module.modules()}
        for part in module.modules():
            with suppress(Exception):  # whatever a user's objects raise: what follows them is not looked through
                self._class(type(part))
                for value in _called(part):
                    self._value(value, "", 0)

    def changed(self) -> list[str]:
        """Where something is other than it was: in words, each once."""
        return list(dict.fromkeys(place.label for place in self._places if place.is_changed()))

    def restore(self) -> None:
        """Put back what has changed, and nothing else."""
        for place in self._places:
            if place.is_changed():
                place.restore()

    def _class(self, cls: type) -> None:
        for base in cls.__mro__:
            if installed(base) or not self._is_new(base):
                continue
            for name, value in list(vars(base).items()):
                if isinstance(value, property | functools.cached_property):
                    self._value(value.fget if isinstance(value, property) else value.func, "", 0)
                elif isinstance(value, staticmethod | classmethod):
                    self._value(value.__func__, "", 0)
                else:
                    self._value(value, f"the class attribute {base.__qualname__}.{name}", 0)
            self._add(
                f"an attribute of the class {base.__qualname__}",
                partial(attributes, base),
                partial(put_attributes, base),
            )

    def _function(self, function: FunctionType) -> None:
        if installed(function):
            return
        names = names_in(function.__code__)
        for name in sorted(_globals(function.__code__)):
            self._name(function.__globals__, name, f"the global {name} of {function.__module__}", names, ())
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            label = f"{name}, which {function.__qualname__} captures"
            self._add(label, partial(content, cell), partial(put_content, cell))
            self._value(content(cell)[0], label, 0)
        label = f"a default or attribute of the function {function.__qualname__}"
        for values in (function.__defaults__ or (), (function.__kwdefaults__ or {}).values()):
            for value in values:
                self._value(value, label, 0)
        self._value(function.__dict__, label, 0)

    def _name(
        self, space: dict[str, Any], name: str, label: str, names: set[str], within: tuple[ModuleType, ...]
    ) -> None:
        value = space.get(name, MISSING)
        if isinstance(value, ModuleType):
            if value not in within and not is_installed(value):
                for inner in sorted(names & vars(value).keys()):
                    label = f"the global {inner} of {value.__name__}"
                    self._name(vars(value), inner, label, names, (*within, value))
            return
        self._add(label, lambda: [space.get(name, MISSING)], partial(put_entry, space, name))
        self._value(value, label, 0)

    def _value(self, value: Any, label: str, depth: int) -> None:
        if depth > _DEEP or len(self._seen) > _MANY or value is MISSING or not self._is_new(value):
            return
        if isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, MethodType):
            self._value(value.__func__, label, depth)
            self._value(value.__self__, label, depth)
        elif isinstance(value, functools.partial):
            for each in (value.func, *value.args, *value.keywords.values()):
                self._value(each, label, depth + 1)
        elif isinstance(value, functools._lru_cache_wrapper):
            self._add(
                f"the cache of {value.__wrapped__.__qualname__}",
                lambda: [value.cache_info().currsize],
                lambda _: value.cache_clear(),
            )
            self._value(value.__wrapped__, label, depth)
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, Tensor | np.ndarray) and math.prod(value.shape) > _LARGE:
            return
        elif isinstance(value, Tensor):
            self._add(label, lambda: [value.detach().clone()], partial(put_tensor, value))
        elif isinstance(value, np.ndarray):
            self._add(label, lambda: [value.copy()], lambda was: np.copyto(value, was[0]))
        elif isinstance(value, MutableMapping | MutableSet | list | deque | tuple):
            self._container(value, label, depth)
        elif isinstance(value, nn.Module):  # another network, which this one calls: with all that it holds but weights
            self._class(type(value))
            for table in (vars(value), value._buffers):
                self._container(table, label, 0)
        elif isinstance(value, threading.local | SimpleNamespace):
            self._container(vars(value), label, depth)
        elif hasattr(value, "__dict__") and not isinstance(value, ModuleType) and not installed(type(value)):
            self._class(type(value))
            self._container(vars(value), label, depth)

    def _container(self, value: Any, label: str, depth: int) -> None:
        if len(value) > _MANY:
            return
        if not isinstance(value, tuple):
            self._add(label, partial(entries, value), partial(put_entries, value))
        for entry in list(value.values() if isinstance(value, MutableMapping) else value):
            if not isinstance(entry, nn.Parameter):
                self._value(entry, label, depth + 1)

    def _add(self, label: str, read: Read, put: Put) -> None:
        with suppress(Exception):  # somebody's own container may raise anything
            self._places.append(Place(label, read, put))

    def _is_new(self, value: object) -> bool:
        if value is None or isinstance(value, bool | int | float | complex | str | bytes) or id(value) in self._seen:
            return False
        self._seen[id(value)] = value  # kept: a new object must not get the identity of one that is gone
        return True


def _globals(code: CodeType) -> set[str]:
    """Names of the globals that a function and the functions inside it read or assign."""
    found = {str(i.argval) for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "STORE_GLOBAL")}
    return found.union(*(_globals(inner) for inner in code.co_consts if isinstance(inner, CodeType)))


def _called(part: nn.Module) -> Iterator[object]:
    """Functions and objects that a part holds and may call: its own attributes, and hooks."""
    for name, value in vars(part).items():
        if name.endswith("_hooks") and isinstance(value, Mapping):
            yield from value.values()
        elif isinstance(value, FunctionType | MethodType | functools.partial | functools._lru_cache_wrapper):
            yield value
