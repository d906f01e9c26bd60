"""Solvers by spec: find the class, check the options, create a solver."""

import inspect
import sys
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from types import MappingProxyType
from weakref import WeakKeyDictionary, ref

import numpy as np

from amb.catalogue.plugins import Plugin, find, load_class, registered, require_methods
from amb.contracts.content import Content
from amb.contracts.handed_view import HandedView
from amb.contracts.problem import Problem
from amb.contracts.returned import are_names
from amb.contracts.solver import KINDS_FORM, Solver, are_kinds
from amb.contracts.space import Space
from amb.contracts.view import View
from amb.errors import AmbError, PluginError, SolverError, SpecError, suggestion
from amb.sight import CLASSES
from amb.spec import ProblemId, Spec, Value, explained, format_value, parse_value, spelt

LONGEST_VERSION = 100
"""Characters of a solver's version."""


@dataclass(frozen=True)
class SolverSpec:
    """A solver's class with its options, resolved from a spec string.

    Attributes:
        spec: the canonical spec: the name, and the options that differ from their defaults.
        cls: the class.
        plugin: where the class comes from.
    """

    spec: Spec
    cls: type[Solver]
    plugin: Plugin

    def __str__(self) -> str:
        return str(self.spec)

    @property
    def options(self) -> dict[str, Value]:
        """All options, defaults included."""
        return {**options(self.cls), **dict(self.spec.options)}

    @property
    def made_of(self) -> Content | None:
        """What its version, or its name, was made of."""
        return self.cls.made_of if self.cls.made_of is not None else _of_no_module.get(self.cls)

    def make(self, space: Space, *, budget: int, seed: int) -> Solver:
        """A fresh solver, with a copy of the space: what it does to its own changes no other run.

        Raises:
            SolverError: it refuses the space.
            SpecError: it refuses an option, or raises another `AmbError`; the message names the solver; or
                its class makes something else.
        """
        try:
            made = self.cls(deepcopy(space), budget=budget, seed=seed, **dict(self.spec.options))
        except SolverError:
            raise  # reported with the solver's name and the problem
        except AmbError as cause:
            raise SpecError(f"{self}: {cause}") from cause
        if not issubclass(type(made), Solver):  # a metaclass or `__new__` may return anything
            raise SpecError(f"{self}: its class makes no amb.Solver, but {type(made).__name__}")
        return made

    def start(self, problem: Problem, *, budget: int, seed: int) -> Solver:
        """A fresh solver for a problem, which receives no more of it than its class may see (`Solver.sees`).

        Raises:
            SolverError: it refuses the problem, or uses the weights of the network that is searched.
        """
        if self.cls.sees == "images":
            solver = self.start_with(view_of(problem), budget=budget, seed=seed)
            refuse_own_weights(str(self), solver.networks, problem.id)
            return solver
        solver = self.make(problem.space, budget=budget, seed=seed)
        if self.cls.sees == "gradients":
            solver.attach(problem)
        return solver

    def start_with(self, view: View, *, budget: int, seed: int) -> Solver:
        """A fresh solver for a neuron of which nothing is known but the generator, such as a living one.

        Raises:
            SolverError: it refuses the space or the view.
            PluginError: the view is none.
        """
        handed = HandedView(view)
        solver = self.make(handed.space, budget=budget, seed=seed)
        if self.cls.sees == "images":
            solver.look(handed)
        return solver


def view_of(problem: Problem) -> View:
    """What an image-seeing solver may see of a problem.

    Raises:
        SolverError: the problem offers no view.
    """
    try:
        return problem.view()
    except SpecError as refusal:
        raise SolverError(str(refusal)) from refusal


def refuse_own_weights(solver: str, networks: Iterable[str], problem_id: str) -> None:
    """Refuse to search a network with features of its own weights.

    Raises:
        SolverError: one of the solver's networks is the target of the problem.
    """
    target = ProblemId.parse(problem_id).target
    if target in networks:
        raise SolverError(
            f"{solver} uses the weights of {target}, which is the network that {problem_id} is about: choose features "
            "of another network"
        )


def options(cls: type[Solver]) -> dict[str, Value]:
    """The options of a solver class and their defaults: its keyword-only arguments except budget and seed."""
    defaults: dict[str, Value] = {}
    for base in reversed(cls.__mro__):
        init = base.__dict__.get("__init__")
        if init is None or not issubclass(base, Solver):
            continue
        parameters = inspect.signature(init).parameters.values()
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            defaults = {}  # this class does not pass options on
        for p in parameters:
            if p.kind is p.KEYWORD_ONLY and p.name not in ("budget", "seed"):
                # Numbers of numpy are numbers.
                defaults[p.name] = p.default.item() if isinstance(p.default, np.generic) else p.default
    return defaults


def spec_of(cls: type[Solver], given: Mapping[str, object] = MappingProxyType({})) -> SolverSpec:
    """The spec of a class: its registered name, or ``module:Class``, and the options that differ from their defaults.

    Args:
        cls: the class.
        given: options.

    Raises:
        SpecError: an unknown option, or a value that a spec cannot state.
        PluginError: the class lacks a method of its contract.
    """
    require_methods(cls)
    plugin = registered("solvers", cls)
    if plugin is None:
        name = _name_of(cls)
        plugin = Plugin("solvers", name, name, f"module {cls.__module__}", _entry=EntryPoint(name, name, "amb.solvers"))
    # Numbers of numpy, such as those of a range of settings, are numbers.
    given = {key: value.item() if isinstance(value, np.generic) else value for key, value in given.items()}
    for key, value in given.items():
        if not isinstance(value, bool | int | float | str) or not _can_be_stated(value):
            raise SpecError(
                f"option {key} of {plugin.name} is {value!r:.60}, which cannot be a part of a run's name: options are "
                "numbers, true, false or words; put anything else into a subclass"
            )
    return _with_options(plugin, cls, given.items())  # type: ignore[arg-type]


def _name_of(cls: type[Solver]) -> str:
    """``module:Class``; of a class that its module does not have, such as one made by a function, with a hash of it.

    Letters that a spec cannot state are written as numbers, so that no two names become one.

    Raises:
        SpecError: what the class is made of cannot be told.
    """
    # Processes that `multiprocessing` starts call the module of a script so, and find it under both names.
    module = "__main__" if cls.__module__ == "__mp_main__" else cls.__module__
    places = [cls.__name__] * (module != "__main__" or "<locals>" not in cls.__qualname__)
    for place in (*places, cls.__qualname__):
        if _at(module, place) is cls:
            return spelt(f"{module}:{place}")
    name = f"{module}:{cls.__name__}"
    if cls.made_of is not None:  # its version tells it
        return spelt(name)
    if cls not in _of_no_module:
        made = ref(cls)
        try:
            _of_no_module[cls] = Content(lambda: (made(),))
        except SpecError as cause:
            raise SpecError(
                f"solver {name} is in no module under that name, so its name must contain what it is made of, and that "
                f"cannot be told: define it at the top of a file ({cause})"
            ) from cause
    return f"{spelt(name)}-{_of_no_module[cls].fingerprint[:8]}"


_of_no_module: WeakKeyDictionary[type[Solver], Content] = WeakKeyDictionary()


def _at(module: str, place: str) -> object:
    """What a module has under a name, or under the name of a class and one in it."""
    found: object = sys.modules.get(module)
    for part in place.split("."):
        found = getattr(found, part, None)
    return found


def names_module(spec: str | Spec) -> bool:
    """Whether a solver is named as ``module:Class``, which a file may not do: only its user may have it imported."""
    return ":" in (spec if isinstance(spec, Spec) else Spec.parse(spec)).name


def is_importable(spec: SolverSpec) -> bool:
    """Whether another process finds a solver's class by its name."""
    module, _, name = spec.spec.name.partition(":")
    if not name:
        return True
    return module != "__main__" and _at(module, name) is spec.cls


def resolve(text: str | Spec) -> SolverSpec:
    """Resolve a solver spec such as ``tt-b[k=50,lr=0.1]``, or ``module:Class[k=50]`` for one not registered.

    Raises:
        SpecError: unknown name (the message suggests the nearest), unknown option or a value of the wrong type (the
            message lists the options and their defaults).
        PluginError: the plug-in cannot be imported, is not a solver, or lacks a method of its contract.
    """
    spec = text if isinstance(text, Spec) else Spec.parse(text)
    plugin = find("solvers", spec.name)
    cls = load_class(plugin, Solver)
    require_methods(cls)
    return _with_options(plugin, cls, spec.options)


def _with_options(plugin: Plugin, cls: type[Solver], given: Iterable[tuple[str, Value]]) -> SolverSpec:
    _check_declared(plugin.name, cls)
    name, known = plugin.name, options(cls)
    changed = []
    for key, value in sorted(given):
        if key not in known:
            at_fault = "; options are keyword-only arguments, after a *" if _takes_by_position(cls, key) else ""
            raise SpecError(f"{_unknown_option(name, key, known)}{at_fault}")
        value = _fit(value, known[key], f"{key} of {name}", _describe(name, known))
        if value != known[key]:
            changed.append((key, value))
    return SolverSpec(Spec(name, tuple(changed)), cls, plugin)


def _takes_by_position(cls: type[Solver], key: str) -> bool:
    parameter = inspect.signature(cls.__init__).parameters.get(key)
    return parameter is not None and parameter.kind is not parameter.KEYWORD_ONLY


def _check_declared(name: str, cls: type[Solver]) -> None:
    """Refuse a class whose declarations a study could not store, or nobody could read: before its first run.

    Raises:
        PluginError: an attribute of `Solver` has a value of the wrong type.
    """
    texts, flags = ("version", "source", "failed_queries"), ("anytime", "noisy", "foreign", "forked", "continuous")
    faults = {text: "a text" for text in texts if type(getattr(cls, text)) is not str}  # files take no other kind of it
    faults |= {flag: "True or False" for flag in flags if not isinstance(getattr(cls, flag), bool)}
    if "version" not in faults and not (cls.version.isprintable() and 1 <= len(cls.version) <= LONGEST_VERSION):
        faults["version"] = f"a text of 1 to {LONGEST_VERSION} printable characters"
    if not are_names(cls.networks):
        faults["networks"] = "names of targets in a tuple, such as ('snn-cnn',)"
    if not isinstance(cls.kinds, property) and not are_kinds(cls.kinds):
        faults["kinds"] = KINDS_FORM
    if type(cls.sees) is not str or cls.sees not in CLASSES:
        faults["sees"] = f"one of {', '.join(map(repr, CLASSES))}"
    for attribute, wanted in faults.items():
        got = f"{getattr(cls, attribute)!r:.60}"
        raise PluginError(f"solver {name} declares {attribute} = {got}, but it must be {wanted}")


def _can_be_stated(value: Value) -> bool:
    """Whether a spec with this value reads back as the same."""
    try:
        return parse_value(format_value(value), "") == value
    except SpecError:
        return False


@explained("amb.solver")
def solver(spec: str, space: Space, *, budget: int, seed: int = 0) -> Solver:
    """A solver for your own ask/tell loop.

    Args:
        spec: for example ``"tt-b"`` or ``"tt-b[k=50]"``.
        space: the grid to search.
        budget: queries that may be spent, at least 1.
        seed: two solvers with the same seed that receive the same values ask for the same candidates.

    Raises:
        SpecError: unknown solver or option.
        SolverError: bad budget, or a space that the method cannot search.
    """
    if not isinstance(space, Space):
        raise SolverError(f"expected an amb.Space to search, such as that of a problem, got {space!r:.80}")
    return resolve(spec).make(space, budget=budget, seed=seed)


_TYPES = {bool: "true or false", int: "an integer", float: "a number", str: "a word"}


def _fit(value: Value, default: Value, what: str, help_text: str) -> Value:
    """The value in the type of its default: an int becomes a float where needed, nothing else is converted."""
    if default is None or type(value) is type(default):
        return value
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(default) not in _TYPES:
        raise SpecError(
            f"{what} cannot be set: its default is {default!r:.60}, but options are numbers, true or false, or words"
        )
    raise SpecError(f"{what} must be {_TYPES[type(default)]}, got {value!r}. {help_text}")


def _unknown_option(name: str, key: str, known: dict[str, Value]) -> str:
    """One sentence, with the nearest options if some are near, and all of them with their defaults."""
    hint = suggestion(key, known)
    near = f"; {hint}" if hint.endswith("?") else "."
    return f"{name} has no option {key!r}{near} {_describe(name, known)}"


def _describe(name: str, known: dict[str, Value]) -> str:
    if not known:
        return f"{name} takes no options"
    return f"Options of {name}: " + ", ".join(f"{key}={format_value(value)}" for key, value in known.items())
