"""Finding problems, solvers, reports, recipes and studies, built in or a stranger's, by entry point or file."""

import importlib.util
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Literal

from amb.errors import PluginError, unknown

Kind = Literal["problems", "solvers", "reports", "recipes", "studies", "targets", "generators"]
KINDS: tuple[Kind, ...] = ("problems", "solvers", "reports", "recipes", "studies", "targets", "generators")


@dataclass(frozen=True)
class Plugin:
    """One named plug-in and where it comes from; nothing is imported before `load`.

    Attributes:
        kind: which of the groups it belongs to.
        name: what specs call it.
        target: `module:attribute`, or the file that it stands in.
        origin: distribution and version, or the file.
    """

    kind: Kind
    name: str
    target: str
    origin: str
    _entry: EntryPoint | None = None
    _object: object | None = None

    @property
    def from_file(self) -> bool:
        """Whether `load_file` registered it; `target` is the file then."""
        return self._entry is None

    def load(self) -> object:
        """Import and return the object.

        Raises:
            PluginError: the import failed; the message names the plug-in, its distribution and the cause.
        """
        if self._entry is None:
            return self._object
        try:
            return self._entry.load()
        except Exception as cause:
            raise PluginError(
                f"{self.kind[:-1]} {self.name!r} of {self.origin} cannot be loaded from {self.target}: "
                f"{type(cause).__name__}: {cause}"
            ) from cause


_from_files: dict[Kind, dict[str, Plugin]] = {kind: {} for kind in KINDS}


def plugins(kind: Kind) -> dict[str, Plugin]:
    """All plug-ins of a kind by name, sorted; listing imports none of them.

    Raises:
        PluginError: two plug-ins have the same name.
    """
    found = dict(_installed(kind))
    for name, plugin in _from_files[kind].items():
        _refuse_twins(found.get(name), plugin)
        found[name] = plugin
    return dict(sorted(found.items()))


def find(kind: Kind, name: str) -> Plugin:
    """The plug-in of that name, or ``module:attribute``; else a `SpecError` that gives the nearest names."""
    if re.fullmatch(r"[\w.]+:\w+", name):
        return Plugin(kind, name, name, f"module {name.split(':')[0]}", _entry=EntryPoint(name, name, f"amb.{kind}"))
    known = plugins(kind)
    if name not in known:
        raise unknown(kind[:-1], name, known)
    return known[name]


def load_file(path: str | Path) -> list[Plugin]:
    """Register the plug-ins that a Python file defines, as `--plugin FILE` does; twice is harmless.

    Every concrete subclass of `Solver`, `Family`, `Generator` or `Report` defined in the file is registered under its
    `name` attribute or, without one, its class name in kebab case.

    Raises:
        PluginError: the file is missing, cannot be imported, or defines no plug-in.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise PluginError(f"no plug-in file {str(path)!r}; give the path of a Python file")
    module_name = f"amb_plugin_{re.sub(r'[^0-9A-Za-z_]', '_', file.stem)}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"{str(path)!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as cause:
        raise PluginError(f"plug-in file {str(path)!r} fails: {type(cause).__name__}: {cause}") from cause
    found = [
        Plugin(kind, getattr(cls, "name", None) or _kebab(cls.__name__), str(file), str(path), _object=cls)
        for kind, cls in _classes(module)
    ]
    if not found:
        raise PluginError(f"{str(path)!r} defines no subclass of amb.Solver, amb.Family, amb.Generator or amb.Report")
    for plugin in found:
        _refuse_twins(_installed(plugin.kind).get(plugin.name), plugin)
        earlier = _from_files[plugin.kind].get(plugin.name)
        if earlier is not None and earlier.target != plugin.target:
            _refuse_twins(earlier, plugin)
        _from_files[plugin.kind][plugin.name] = plugin
    return found


@cache
def _installed(kind: Kind) -> dict[str, Plugin]:
    found: dict[str, Plugin] = {}
    for entry in entry_points(group=f"amb.{kind}"):
        origin = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown distribution"
        plugin = Plugin(kind, entry.name, entry.value, origin, _entry=entry)
        # A distribution met twice on sys.path (an editable install beside a wheel) is one plug-in.
        if (twin := found.get(entry.name)) is None or twin.target != plugin.target:
            _refuse_twins(twin, plugin)
        found[entry.name] = plugin
    return found


def _classes(module: object) -> Iterator[tuple[Kind, type]]:
    from amb.contracts.family import Family
    from amb.contracts.generator import Generator
    from amb.contracts.report import Report
    from amb.contracts.solver import Solver

    bases: dict[Kind, type] = {"solvers": Solver, "problems": Family, "reports": Report, "generators": Generator}
    for _, cls in inspect.getmembers(module, inspect.isclass):
        if cls.__module__ != module.__name__ or inspect.isabstract(cls):  # type: ignore[attr-defined]
            continue
        for kind, base in bases.items():
            if issubclass(cls, base):
                yield kind, cls


def _refuse_twins(first: Plugin | None, second: Plugin) -> None:
    if first is not None:
        raise PluginError(
            f"two {second.kind} are called {second.name!r}: one of {first.origin} ({first.target}), "
            f"one of {second.origin} ({second.target}); uninstall or rename one"
        )


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
