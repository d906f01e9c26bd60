"""Generators by name, built in or a third party's."""

import inspect
from functools import cache
from typing import Any

from amb.catalogue.plugins import Plugin, find, instance_of, load_function, load_instance, plugins
from amb.contracts.device import check_device
from amb.contracts.generator import REQUIRED, Generator
from amb.contracts.returned import attributes
from amb.errors import PluginError, SpecError, names_file_of_network, no_module, unknown
from amb.foreign import contained
from amb.spec import explained

_MODULE = "module"
"""The entry point that makes generators of torch modules; it is not itself a generator, so it is not listed."""


def generator_names() -> list[str]:
    """Names of all generators; imports nothing."""
    return [name for name in plugins("generators") if name != _MODULE]


@explained("amb.generator")
def generator(source: object, *, device: str = "cpu", **options: Any) -> Generator:
    """A generator: a registered one, loaded and created once for each device, or one of your own.

    An entry point of the group `amb.generators` names a `Generator`, or a class or function without arguments that
    returns one.

    Args:
        source: a name in that group (``cifar10-sngan``); a `Generator` of your own, an object or a class; a torch
            module; or a function without arguments that returns a module, called when it is first needed.
        device: where it runs, "cpu" or "cuda".
        options: for a module, `latent_dim`, `codes`, `decode`, `encode`, `black`, `white`, `name`, `shape`, `version`:
            see `amb_problems.generators.module_generator`.

    Raises:
        SpecError: no such generator or option, or something that cannot be a generator.
        PluginError: it cannot be loaded, or leaves out a part of the contract.
        CheckpointError: its checkpoint is missing or damaged.
    """
    device = check_device(device)
    if names_file_of_network(source):
        raise no_module(source, "a generator's name, a torch module, or a function that returns one")
    if not isinstance(source, str | Generator) and not (isinstance(source, type) and issubclass(source, Generator)):
        return _of_module(source, device=device, **options)
    if options:
        raise SpecError(f"only a module of your own takes options, got {', '.join(options)}")
    if isinstance(source, str):
        described(source)  # refuses `module`, which is not a generator itself
        return _on(find("generators", source), device)
    with contained():
        return resolve(source).on(device)


def described(name: str) -> Generator:
    """The generator of that name as its model card describes it; no network is loaded.

    Raises:
        SpecError: no such generator.
        PluginError: it cannot be imported, or is not a generator.
        CheckpointError: its card is missing or damaged.
    """
    if name == _MODULE:
        raise unknown("generator", name, generator_names())
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


def _of_module(source: object, **options: Any) -> Generator:
    make = load_function(find("generators", _MODULE))
    if not callable(source):
        raise no_module(source, "a generator's name, an amb.Generator or a torch module")
    try:
        inspect.signature(make).bind(source, **options)
    except TypeError as error:
        raise SpecError(f"a generator of a module: {error}") from error
    return _checked(make(source, **options), "a generator of a module")


@cache
def _on(plugin: Plugin, device: str) -> Generator:
    with contained():
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
