"""Generators by name, built in or a third party's."""

from functools import cache

from amb.catalogue.plugins import Plugin, find, instance_of, load_instance, plugins
from amb.contracts.device import check_device
from amb.contracts.generator import REQUIRED, Generator
from amb.contracts.returned import attributes
from amb.errors import PluginError, SpecError


def generator_names() -> list[str]:
    """Names of all generators; imports nothing."""
    return list(plugins("generators"))


def generator(name: str, *, device: str = "cpu") -> Generator:
    """The generator of that name in the entry-point group `amb.generators`, loaded; created once for each device.

    An entry point names a `Generator`, or a class or function without arguments that returns one.

    Args:
        name: such as ``cifar10-sngan``.
        device: where it runs, "cpu" or "cuda".

    Raises:
        SpecError: no such generator.
        PluginError: it cannot be loaded, or is not a generator.
        CheckpointError: its checkpoint is missing or damaged.
    """
    return _on(find("generators", name), check_device(device))


def described(name: str) -> Generator:
    """The generator of that name as its model card describes it; no network is loaded.

    Raises:
        SpecError: no such generator.
        PluginError: it cannot be imported, or is not a generator.
        CheckpointError: its card is missing or damaged.
    """
    return _described(find("generators", name))


def resolve(source: object) -> Generator:
    """A generator by its name, or a `Generator` of the user's own, an object or a class.

    Raises:
        SpecError: no such generator, or neither a name nor a generator.
        PluginError: a generator that leaves out a part of the contract.
    """
    if isinstance(source, str):
        return described(source)
    if isinstance(source, type) and issubclass(source, Generator):
        source = instance_of(source)
    if not isinstance(source, Generator):
        raise SpecError(f"expected a generator's name or an amb.Generator, got {source!r}")
    return _checked(source, f"generator {type(source).__name__}")


@cache
def _on(plugin: Plugin, device: str) -> Generator:
    return _described(plugin).on(device)


@cache
def _described(plugin: Plugin) -> Generator:
    generator = _checked(load_instance(plugin, Generator), str(plugin))
    if generator.name != plugin.name and ":" not in plugin.name:
        raise PluginError(f"{plugin} has the attribute name = {generator.name!r}; the two names must be equal")
    return generator


def _checked(generator: Generator, owner: str) -> Generator:
    attributes(generator, REQUIRED, "amb.Generator", owner)
    return generator
