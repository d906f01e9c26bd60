"""Finding and loading plug-ins, built-in or third-party, by entry point or file."""

import importlib.util
import inspect
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from importlib.machinery import PathFinder, SourceFileLoader
from importlib.metadata import Distribution, EntryPoint, EntryPoints, distributions, entry_points
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from amb.catalogue import plugin_modules
from amb.errors import AmbError, PluginError, SpecError, unknown
from amb.foreign import contained, current_folder, in_a_line
from amb.installed import is_installed
from amb.interruption import from_user
from amb.loaded_code import executed
from amb.spec import as_text, real_path, user_path
from amb.study.untrusted import plain

Kind = Literal[
    "suites",
    "families",
    "generators",
    "targets",
    "solvers",
    "reports",
    "lab_reports",
    "atlas_reports",
    "paper_reports",
    "recipes",
    "studies",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

_ONE: dict[Kind, str] = {
    "suites": "suite",
    "families": "problem family",
    "generators": "generator",
    "targets": "target",
    "solvers": "solver",
    "reports": "report",
    "lab_reports": "laboratory report",
    "atlas_reports": "report on an atlas",
    "paper_reports": "report on the paper",
    "recipes": "recipe",
    "studies": "study",
}

T = TypeVar("T")

_others = threading.Event()
"""Set when this process imports code that is not built in."""
_PATIENCE_SECONDS = 10.0
"""How long an import may take before it is named; those of large packages take seconds."""
_LONGEST_ORIGIN = 100
"""Characters of a distribution's name and version that are shown."""

_OWN_PACKAGES = ("amb_problems.", "amb_solvers.", "amb_reports.")

_FILE_MODULE = "amb_plugin_"
"""Prefix of the modules that files given with `--plugin` become."""


@dataclass(frozen=True)
class Plugin:
    """One named plug-in and where it comes from; nothing is imported before `load`.

    Attributes:
        kind: the plug-in group that it belongs to.
        name: its name in specs.
        location: `module:attribute`, or the file that defines it.
        origin: distribution and version, or the file.
        text: of a file, what was executed of it; it may have been edited since.
    """

    kind: Kind
    name: str
    location: str
    origin: str
    text: bytes = field(default=b"", repr=False)
    _entry: EntryPoint | None = None
    _object: object | None = None
    _error: str = ""
    _rivals: tuple["Plugin", ...] = ()

    @property
    def rivals(self) -> tuple["Plugin", ...]:
        """All plug-ins of this kind and name, if there are several; none of them can be used by the name."""
        return self._rivals

    @property
    def error(self) -> str:
        """Why it cannot be used, as far as that is known before it is loaded; "" if nothing speaks against it."""
        return self._error

    def __str__(self) -> str:
        return f"{_ONE[self.kind]} {self.name!r} of {self.origin}"

    @property
    def package(self) -> str:
        """The top-level package that it comes from, or its file."""
        return self.location if self.from_file else re.split(r"[.:]", self.location)[0]

    @property
    def built_in(self) -> bool:
        """Whether it is one of amb's own."""
        return self.location.startswith(_OWN_PACKAGES)

    @property
    def from_file(self) -> bool:
        """Whether `load_file` registered it; then `location` is the file."""
        return self._entry is None

    def load(self) -> object:
        """Import and return the object.

        Raises:
            PluginError: the import failed (the message names the plug-in, its distribution and the cause), or another
            plug-in has the same name.
        """
        if self._error:
            raise PluginError(self._error)
        if self._entry is None:
            return self._object
        try:
            with contained(), _importing(self):
                return self._entry.load()
        except BaseException as cause:
            if from_user(cause):
                raise
            raise PluginError(f"{self} cannot be loaded from {self.location}: {in_a_line(cause)}") from cause


_from_files: dict[Kind, dict[str, Plugin]] = {kind: {} for kind in KINDS}


def plugins(kind: Kind) -> dict[str, Plugin]:
    """All plug-ins of a kind by name, sorted, those that cannot be used included; listing imports none of them."""
    known = dict(_installed()[kind])
    for name, plugin in _from_files[kind].items():
        _refuse_duplicates(known.get(name), plugin)
        known[name] = plugin
    return dict(sorted(known.items()))


def find(kind: Kind, name: str) -> Plugin:
    """The plug-in of that name, or ``module:attribute``.

    Raises:
        SpecError: unknown name; the message suggests the nearest ones.
        PluginError: two plug-ins have that name.
    """
    if re.fullmatch(r"[\w.]+:[\w.]+", as_text(name, f"the name of a {_ONE[kind]}")):
        _look_in_current_folder(name.partition(":")[0])
        return Plugin(kind, name, name, f"module {name.split(':')[0]}", _entry=EntryPoint(name, name, f"amb.{kind}"))
    known = plugins(kind)
    if name not in known:
        raise SpecError(f"{unknown(_ONE[kind], name, known)}{unread_packages()}")
    if known[name]._error:
        raise PluginError(known[name]._error)
    return known[name]


def _look_in_current_folder(module: str) -> None:
    """Let a module that the user names be found in the current folder, if it is there and nowhere else.

    The folder comes last on `sys.path`: nothing in it passes for a module that is installed.
    """
    top, folder = module.partition(".")[0], current_folder()
    with suppress(ImportError, ValueError, OSError):
        if folder and importlib.util.find_spec(top) is None and PathFinder.find_spec(top, [folder]) is not None:
            sys.path.append(folder)


def load_class(plugin: Plugin, base: type[T]) -> type[T]:
    """Load a plug-in that must be a subclass of `base`.

    Raises:
        PluginError: it cannot be imported, or is not a subclass of `base`.
    """
    loaded = plugin.load()
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        raise PluginError(f"{plugin} is not a subclass of {_name(base)}: {loaded!r}")
    return loaded


def load_instance(plugin: Plugin, base: type[T]) -> T:
    """Load a plug-in that must be a `base`, or a class or function without arguments that returns one.

    Raises:
        PluginError: it cannot be imported, or it neither is nor returns a `base`.
    """
    loaded = plugin.load()
    instance = loaded if isinstance(loaded, base) or not callable(loaded) else _called(plugin, loaded)
    if not isinstance(instance, base):
        raise PluginError(f"{plugin} is not {_article(base)}: {instance!r}")
    return instance


def registered(kind: Kind, cls: type) -> Plugin | None:
    """The plug-in that a class is registered as, or None; imports nothing."""
    for plugin in plugins(kind).values():
        module, _, name = plugin.location.partition(":")
        if plugin._object is cls or getattr(sys.modules.get(module), name or "\0", None) is cls:
            return plugin
    return None


def require_methods(cls: type) -> None:
    """Refuse a class that leaves out a method of its contract.

    Raises:
        PluginError: it is abstract; the message names the methods.
    """
    if lacking := sorted(getattr(cls, "__abstractmethods__", ())):
        raise PluginError(f"class {cls.__name__} does not define {', '.join(lacking)}; see {_contract_of(cls)}")


def instance_of(cls: type[T]) -> T:
    """An object of a class that was given in its place.

    Raises:
        PluginError: the class lacks a method of its contract, or needs arguments.
    """
    require_methods(cls)
    try:
        inspect.signature(cls).bind()
    except TypeError as cause:
        raise PluginError(f"class {cls.__name__} needs arguments ({cause}): give an object of it instead") from cause
    return cls()


def load_function(plugin: Plugin) -> Callable[..., Any]:
    """Load a plug-in that must be a function or a class.

    Raises:
        PluginError: it cannot be imported, or cannot be called.
    """
    loaded = plugin.load()
    if not callable(loaded):
        raise PluginError(f"{plugin} is not callable: {loaded!r}")
    return loaded


def text_of_file(path: str | Path) -> bytes:
    """What `load_file` has executed of a file; b"" if it has registered none of its plug-ins."""
    location = str(real_path(user_path(path), PluginError))
    known = (plugin for named in _from_files.values() for plugin in named.values())
    return next((plugin.text for plugin in known if plugin.location == location), b"")


def unload(loaded: Iterable[Plugin]) -> None:
    """Forget plug-ins that `load_file` has returned, unless others have taken their names since."""
    for plugin in loaded:
        plugin_modules.forget(plugin.location)
        if _from_files[plugin.kind].get(plugin.name) is plugin:
            del _from_files[plugin.kind][plugin.name]


def load_file(path: str | Path, text: bytes = b"") -> list[Plugin]:
    """Register the plug-ins that a Python file defines, as `--plugin FILE` does; idempotent.

    Args:
        path: the file.
        text: what another process has read in it (`Plugin.text`), which is executed whatever the file holds now.

    Every class defined in the file whose contract names a plug-in group (`Solver`, `Family`, `Generator`, `Target`,
    `Report`) is registered under its `name` attribute or, without one, its class name in kebab case, save abstract
    classes that others in the file derive from.

    Raises:
        PluginError: the file is missing, cannot be imported, defines no plug-in, or imports a module whose name is also
            that of another module of this process (`amb.catalogue.plugin_modules`).
        SpecError: a module that it imports was edited after this process had imported it.
    """
    file = real_path(user_path(path), PluginError)
    if not (text or file.is_file()):
        raise PluginError(f"no plug-in file {str(path)!r}; expected the path of a Python file")
    module_name = _module_name(file)
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"{str(path)!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    path_before, modules_before, code = sys.path[:], set(sys.modules), None
    try:
        with contained(), _importing(path):
            if isinstance(spec.loader, SourceFileLoader):
                text = text or file.read_bytes()
                executed(module, text)
                code = compile(text, str(file), "exec", dont_inherit=True)
                exec(code, vars(module))
            else:
                spec.loader.exec_module(module)
    except BaseException as cause:
        if from_user(cause):
            raise
        advice = _advice(cause, file.parent)
        raise PluginError(f"plug-in file {str(path)!r} cannot be imported: {in_a_line(cause)}{advice}") from cause
    if code is not None:
        try:
            plugin_modules.note(file, text, code, path_before)
        except AmbError:  # nobody is to meet its modules after that
            sys.path[:] = path_before
            for name in [name for name in sys.modules.keys() - modules_before if not is_installed(name)]:
                del sys.modules[name]
            raise
    defined = [
        Plugin(
            kind,
            _name_of(cls, path),
            str(file),
            str(path),
            text,
            _object=cls,
            _error=_lack(cls, file),
        )
        for kind, cls in _classes(module)
    ]
    if not defined:
        contracts = "amb.Solver, amb.Family, amb.Generator, amb.Target or amb.Report"
        raise PluginError(f"{str(path)!r} defines no subclass of {contracts}")
    for place, plugin in enumerate(defined):
        for other in defined[:place]:
            if (other.kind, other.name) == (plugin.kind, plugin.name):
                raise PluginError(f"{str(path)!r} defines two {plugin.kind} called {plugin.name!r}; rename one")
        _refuse_duplicates(_installed()[plugin.kind].get(plugin.name), plugin)
        earlier = _from_files[plugin.kind].get(plugin.name)
        if earlier is not None and earlier.location != plugin.location:
            _refuse_duplicates(earlier, plugin)
        _from_files[plugin.kind][plugin.name] = plugin
    return defined


def _advice(cause: BaseException, folder: Path) -> str:
    """How a module that lies beside a plug-in file is found, if that is what its import lacks."""
    if type(cause) is not ModuleNotFoundError or not isinstance(cause.name, str):
        return ""
    if PathFinder.find_spec(top := cause.name.partition(".")[0], [str(folder)]) is None:
        return ""
    return (
        f"; {top} lies beside it: have it found with PYTHONPATH={folder}, or by sys.path.insert(0, "
        "os.path.dirname(__file__)) in the file"
    )


def _module_name(file: Path) -> str:
    """A name for the module that a file becomes, which is no other file's: classes are pickled by it."""
    name = f"{_FILE_MODULE}{re.sub(r'[^0-9A-Za-z_]', '_', file.stem)}"
    taken = getattr(sys.modules.get(name), "__file__", None)
    return name if taken in (None, str(file)) else f"{name}_{sha256(os.fsencode(file)).hexdigest()[:8]}"


@cache
def _installed() -> dict[Kind, dict[str, Plugin]]:
    """What is installed of every kind, by name."""
    installed: dict[Kind, dict[str, Plugin]] = {kind: {} for kind in KINDS}
    entries, _ = _entries()
    origin = cache(_origin)  # every look at a distribution's name or version reads its whole description
    for kind, known in installed.items():
        for entry in entries.select(group=f"amb.{kind}"):
            plugin = Plugin(kind, entry.name, entry.value, origin(entry.dist), _entry=entry)
            # A distribution that is on sys.path twice (an editable install and a wheel) counts once.
            if (twin := known.get(entry.name)) is not None and twin.location != plugin.location:
                rivals = (*(twin.rivals or (twin,)), plugin)
                plugin = replace(plugin, _error=_clash(twin, plugin), _rivals=rivals)
            known[entry.name] = plugin
    return installed


def unread_packages() -> str:
    """The end of a sentence that names the packages whose plug-ins are missing; "" if there are none."""
    _, unread = _entries()
    return f"; the plug-ins of {', '.join(unread)} are missing: their entry points cannot be read" if unread else ""


def _entries() -> tuple[EntryPoints, list[str]]:
    """All entry points, and the packages whose own files about them cannot be read: they spoil no others."""
    try:
        return entry_points(), []  # type: ignore[return-value]  # Python 3.11 returns what has the same `select`
    except Exception:
        found: list[EntryPoint] = []
        unread: list[str] = []
        for distribution in distributions():
            try:
                found += distribution.entry_points
            except Exception:
                unread.append(_origin(distribution))
        return EntryPoints(found), unread


def _origin(distribution: Distribution | None) -> str:
    """The name and version of a distribution, in one printable line."""
    if distribution is None:
        return "an unknown distribution"
    name = version = None
    with suppress(Exception):
        name, version = distribution.name, distribution.version
    if not (isinstance(name, str) and isinstance(version, str)):
        folder = getattr(distribution, "_path", None)  # Python's own finder of packages has it
        where = "" if folder is None else f" in {Path(str(folder)).name}"
        return plain(f"a distribution whose metadata{where} cannot be read")
    return plain(f"{name} {version}")[:_LONGEST_ORIGIN]


@contextmanager
def _importing(what: object) -> Iterator[None]:
    """Note what is imported unless it is built in, and say it on stderr if that takes long.

    Some imports wait for input, for a lock or for ever.
    """
    own = isinstance(what, Plugin) and what.built_in

    def say() -> None:
        with suppress(OSError, ValueError, AttributeError):  # stderr may be gone
            print(plain(f"amb: still importing {what} ... (Ctrl-C ends this)"), file=sys.stderr, flush=True)

    timer = threading.Timer(_PATIENCE_SECONDS, say)
    timer.daemon = True
    if not own:
        _others.set()
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _classes(module: object) -> Iterator[tuple[Kind, type]]:
    """Classes that the module itself defines and whose contract belongs to a plug-in group.

    An abstract one is the base of others, or lacks a method, which is said when it is used.
    """
    classes = [cls for _, cls in inspect.getmembers(module, inspect.isclass) if cls.__module__ == module.__name__]  # type: ignore[attr-defined]
    for cls in classes:
        kind = getattr(cls, "plugin_kind", None)
        base = inspect.isabstract(cls) and any(cls in other.__mro__[1:] for other in classes)
        if kind in KINDS and not base:
            yield kind, cls


def _name_of(cls: type, path: str | Path) -> str:
    """The name that a class declares, or its own in kebab case.

    Raises:
        PluginError: it declares one that is no text, or steers terminals.
    """
    name = getattr(cls, "name", None) or _kebab(cls.__name__)
    if type(name) is not str or not name.isprintable():
        raise PluginError(f"{cls.__name__} of {path} has name = {name!r:.60}, but a name must be a printable text")
    return name


def _lack(cls: type, file: Path) -> str:
    methods = sorted(getattr(cls, "__abstractmethods__", ()))
    return f"{cls.__name__} of {file} lacks {', '.join(methods)}, so it cannot be used" if methods else ""


def _refuse_duplicates(first: Plugin | None, second: Plugin) -> None:
    if first is not None:
        raise PluginError(_clash(first, second))


def _clash(first: Plugin, second: Plugin) -> str:
    return (
        f"two {second.kind} are called {second.name!r}: one from {first.origin} ({first.location}), "
        f"one from {second.origin} ({second.location}); uninstall or rename one"
    )


def _called(plugin: Plugin, make: Callable[[], T]) -> T:
    try:
        with contained():
            return make()
    except AmbError:
        raise
    except BaseException as cause:
        if from_user(cause):
            raise
        raise PluginError(f"{plugin} cannot be created: {in_a_line(cause)}") from cause


def others_imported() -> bool:
    """Whether this process has imported, or begun to import, code of a plug-in that is not built in."""
    return _others.is_set()


def blame(error: BaseException) -> PluginError | None:
    """An error in one line for an exception that third parties' code raised; None if no such code was running."""
    try:
        names = {plugin.location.split(":")[0].split(".")[0] for kind in KINDS for plugin in _third_parties(kind)}
    except OSError:  # packages on a failing disk must not hide how the command ended
        names = set()
    for frame, line in reversed([*traceback.walk_tb(error.__traceback__)]):
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(_FILE_MODULE) or module.split(".")[0] in names:
            place = f"{Path(frame.f_code.co_filename).name}:{line}"
            return PluginError(f"plug-in code failed at {place}: {in_a_line(error)}")
    return None


def _third_parties(kind: Kind) -> Iterator[Plugin]:
    return (plugin for plugin in _installed()[kind].values() if plugin.origin.split(" ")[0] != "amb")


def _name(base: type) -> str:
    """A contract's class as users write it."""
    return f"amb.{base.__name__}" if base.__module__.startswith("amb.") else base.__name__


def _contract_of(cls: type) -> str:
    """The contract that a class implements, as users write it."""
    return next(_name(base) for base in cls.__mro__ if base.__module__.startswith("amb."))


def _article(base: type) -> str:
    name = _name(base)
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
