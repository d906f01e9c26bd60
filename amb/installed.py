"""What comes from an installed package, the standard library or `amb`, and so is told by its name."""

import sys
import sysconfig
from pathlib import Path
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)

OURS = {"amb", "amb_problems", "amb_solvers", "amb_reports"}
_STANDARD = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
_PACKAGES = {"site-packages", "dist-packages"}
_OF_C = (WrapperDescriptorType, MethodDescriptorType, ClassMethodDescriptorType, GetSetDescriptorType)
_OF_PYTHON_CLASSES = {"__dict__", "__weakref__"}
_HEAP_TYPE = 1 << 9
"""A flag of all classes that Python code makes, and of some that are written in C."""


def in_packages(file: Path) -> bool:
    """Whether a file belongs to an installed package or to the standard library."""
    return any(folder.name in _PACKAGES or folder in _STANDARD for folder in file.parents)


def is_installed(module: str | ModuleType) -> bool:
    """Whether a module, or one of that name, comes from an installed package, the standard library or `amb`."""
    name = module if isinstance(module, str) else module.__name__
    if name.split(".")[0] in OURS:
        return True
    if isinstance(module, str):
        while name not in sys.modules and "." in name:  # some names of compiled modules belong to none
            name = name.rpartition(".")[0]
    found = sys.modules.get(name) if isinstance(module, str) else module
    if found is None or name == "__main__":
        return False
    places = [getattr(found, "__file__", None), *getattr(found, "__path__", ())]
    file = next(filter(None, places), None)
    if file is None:
        return sys.modules.get(name) is found  # built in
    return in_packages(Path(file))


def installed(definition: object) -> bool:
    """Whether a function or class comes from an installed package, the standard library or `amb`.

    `functools.wraps` copies the name of a module, code that is executed from a text may have none, and a class may
    state any: functions are also asked for the file of their code, and classes for their place in the module.
    """
    if not is_installed(_module(definition)):
        return False
    if type(definition) is FunctionType:  # a proxy of one says that it is one
        assert isinstance(definition, FunctionType)
        file = definition.__code__.co_filename
        if file.startswith("<") and not file.startswith("<frozen "):
            return at_its_name(definition)
        ours = str(definition.__globals__.get("__name__")).split(".")[0] in OURS
        return ours or file.startswith("<frozen ") or in_packages(Path(file))
    if isinstance(definition, type):
        return at_its_name(definition) or is_written_in_c(definition) or _has_code_of_packages(definition)
    return True


def at_its_name(definition: object) -> bool:
    """Whether its module has a function, class or object under its name, or under another one.

    What is written in C, and no class, cannot be called by another's name.
    """
    if isinstance(definition, (BuiltinFunctionType, MethodWrapperType, MemberDescriptorType, *_OF_C)):
        return True
    module = sys.modules.get(_module(definition))
    found: object = module
    for part in str(getattr(definition, "__qualname__", "")).split("."):
        entry = vars(found).get(part) if isinstance(found, ModuleType | type) else None
        found = getattr(entry, "__func__", entry)  # of static and class methods
    return found is definition or any(entry is definition for entry in getattr(module, "__dict__", {}).values())


def _module(definition: object) -> str:
    return str(getattr(definition, "__module__", None) or "builtins")


def is_written_in_c(cls: type) -> bool:
    """Whether a class is no work of Python code."""
    entries = [entry for name, entry in vars(cls).items() if name not in _OF_PYTHON_CLASSES]
    own = (isinstance(entry, _OF_C) and entry.__objclass__ is cls for entry in entries)
    return not cls.__flags__ & _HEAP_TYPE or any(own)


def _has_code_of_packages(cls: type) -> bool:
    """Whether a class states its package and has no code but of packages."""
    entries = [getattr(entry, "__func__", entry) for entry in vars(cls).values()]
    return _module(cls) != "builtins" and all(installed(entry) for entry in entries if type(entry) is FunctionType)
