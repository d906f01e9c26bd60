"""Families of problems: any generator with any target that fits, or a family registered by name."""

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from numbers import Real
from types import MethodType

from amb.catalogue.generators import resolve
from amb.catalogue.noise import observed_with
from amb.catalogue.plugins import find, load_function, plugins
from amb.contracts.family import Family
from amb.contracts.generator import Generator
from amb.contracts.images import size
from amb.contracts.problem import REQUIRED, Problem
from amb.contracts.returned import attributes
from amb.contracts.target import Target
from amb.errors import PluginError, SpecError, unknown
from amb.foreign import contained
from amb.spec import MEASUREMENT_OPTIONS, Value

_NETWORK = "network"
"""The entry point of `amb.families` that composes a generator with a target."""
_PLACES = ("self", "layer", "unit", "units")


def registered_families() -> list[str]:
    """Names of the families that are registered as such, ``<generator>/<target>``; imports nothing."""
    return [name for name in plugins("families") if "/" in name]


def fits(generator: Generator, target: Target) -> bool:
    """Whether the target takes the generator's images."""
    return tuple(generator.shape) == tuple(target.shape)


def compose(source: object, target: Target) -> Family:
    """The family of a target and a generator, given by name or as an object; no network is loaded.

    Raises:
        SpecError: no such generator, or images of a different shape than the target takes.
        PluginError: no installed distribution composes them, or the result is not a family.
    """
    generator = resolve(source)
    if not fits(generator, target):
        raise SpecError(
            f"generator {generator.name} makes images of {size(generator.shape)}, target {target.name} takes "
            f"{size(target.shape)}; `amb problems list` shows which fit"
        )
    plugin = find("families", _NETWORK)
    make = load_function(plugin)
    with contained():
        family = make(generator, target)
    if not isinstance(family, Family):
        raise PluginError(f"{plugin} did not return an amb.Family, got {family!r}")
    return family


def problem_of(
    family: Family, layer: str, units: tuple[int, ...], *, device: str, options: Mapping[str, Value]
) -> Problem:
    """A family's problem of one unit, or of several units' mean, with or without noise.

    Args:
        family: the family that creates the problem.
        layer, units: what is driven; several units are ascending and distinct.
        device: where it is evaluated.
        options: options of a problem's spec, noise and trial effects included.

    Raises:
        SpecError: no such option.
        CheckpointError: a network is missing or damaged.
        PluginError: what the family returned is no such problem, or lacks an attribute.
    """
    for name, value in options.items():
        if not isinstance(value, str | Real):
            raise SpecError(f"{name} must be a text or a number, got {value!r:.80}")
    measurement = {name: value for name, value in options.items() if name in MEASUREMENT_OPTIONS}
    own = {name: value for name, value in options.items() if name not in MEASUREMENT_OPTIONS}
    make, which = (family.problem, units[0]) if len(units) == 1 else (family.group, units)
    _refuse_arguments(make, own)
    with contained():
        made = make(layer, which, device=device, **own)  # type: ignore[arg-type]
    asked = f"/{layer}/{'+'.join(map(str, units))}"
    if not isinstance(made, Problem):
        raise PluginError(
            f"{type(family).__name__} returned {made!r:.80} for <name>{asked}; expected an amb.Problem, such as an "
            "amb.FunctionProblem: does its method end in return?"
        )
    attributes(made, REQUIRED, "amb.Problem", f"the problem of {type(family).__name__} for <name>{asked}")
    if not (found := str(made.id).partition("[")[0]).endswith(asked):
        raise PluginError(f"{type(family).__name__} returned the problem {found!r:.200} for <name>{asked}")
    return observed_with(made, measurement)


def _refuse_arguments(make: Callable[..., Problem], options: Mapping[str, Value]) -> None:
    """Refuse options that a family's method cannot be given: names of its other arguments, and those it does not take.

    Raises:
        SpecError: there is such an option.
    """
    method, owner = (make.__func__, (make.__self__,)) if isinstance(make, MethodType) else (make, ())
    for name in options:
        if name == "device":
            raise SpecError("device is no option of a problem: choose it with --device, in Python device=")
        if name in _PLACES:
            raise SpecError(f"{name} is no option of a problem: layer and units are parts of its name")
    try:
        called = signature(method)
    except (TypeError, ValueError):  # code that does not say what it takes
        return
    named = [one.name for one in called.parameters.values() if one.kind is Parameter.KEYWORD_ONLY]
    for name in options:
        try:
            called.bind(*owner, "layer", 0, device="cpu", **{name: ""})
        except TypeError:
            known = [*(one for one in named if one != "device"), *MEASUREMENT_OPTIONS]
            raise unknown("option of a problem", name, known) from None


class CatalogueComposer:
    """The composer that `amb.target` gives its targets: it looks up generators by name."""

    def family(self, generator: object, target: Target) -> Family:
        """See `compose`."""
        return compose(generator, target)

    def problem(
        self, family: Family, layer: str, units: tuple[int, ...], *, device: str, options: Mapping[str, Value]
    ) -> Problem:
        """See `problem_of`."""
        return problem_of(family, layer, units, device=device, options=options)
