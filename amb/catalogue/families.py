"""Families of problems: any generator with any target that fits, or a family registered by name."""

from collections.abc import Mapping
from numbers import Real

from amb.catalogue.generators import resolve
from amb.catalogue.noise import observed_with
from amb.catalogue.plugins import find, load_function, plugins
from amb.contracts.family import Family
from amb.contracts.generator import Generator
from amb.contracts.images import size
from amb.contracts.problem import Problem
from amb.contracts.target import Target
from amb.errors import PluginError, SpecError
from amb.spec import MEASUREMENT_OPTIONS, Value

_NETWORK = "network"
"""The entry point of `amb.families` that composes a generator with a target."""


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
    family = load_function(plugin)(generator, target)
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
    """
    for name, value in options.items():
        if not isinstance(value, str | Real):
            raise SpecError(f"{name} must be a text or a number, got {value!r:.80}")
    measurement = {name: value for name, value in options.items() if name in MEASUREMENT_OPTIONS}
    own = {name: value for name, value in options.items() if name not in MEASUREMENT_OPTIONS}
    if len(units) == 1:
        made = family.problem(layer, units[0], device=device, **own)
    else:
        made = family.group(layer, units, device=device, **own)
    asked = f"/{layer}/{'+'.join(map(str, units))}"
    if not (found := str(made.id).partition("[")[0]).endswith(asked):
        raise PluginError(f"{type(family).__name__} returned the problem {found!r:.200} for <name>{asked}")
    return observed_with(made, measurement)


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
