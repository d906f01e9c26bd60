"""Targets: networks whose units are driven, by name or the user's own."""

import copy
import inspect
from functools import cache
from typing import Any

from amb.catalogue.families import CatalogueComposer
from amb.catalogue.plugins import Plugin, find, instance_of, load_function, plugins
from amb.contracts.device import check_device
from amb.contracts.returned import attributes
from amb.contracts.target import REQUIRED, Target
from amb.errors import PluginError, SpecError, names_file_of_network, no_module, unknown
from amb.foreign import contained
from amb.spec import explained

_MODULE = "module"
"""The entry point that makes targets of torch modules; it is not itself a target, so it is not listed."""


def target_names() -> list[str]:
    """Names of all targets; imports nothing."""
    return [name for name in plugins("targets") if name != _MODULE]


@explained("amb.target")
def target(
    source: object, *, layer: str | None = None, frames: int | None = None, device: str = "cpu", **options: Any
) -> Target:
    """A network whose units are driven; with a generator it creates problems.

    An entry point of the group `amb.targets` names a `Target`, or a class or function that returns one; it receives the
    name that it is registered under if it has a parameter `name`, and the options.

    Args:
        source: a name in that group (``snn-cnn``, ``imagenet-alexnet``); a `Target` of your own, an object or a
            class; a torch module; or a function without arguments that returns a module, called when it is first
            needed.
        layer: the layer of problems that do not name one.
        frames: for a module that keeps a memory and takes one step in a forward pass, as spiking ones of snnTorch
            (``init_hidden=True``) or SpikingJelly do: how many times it is shown the image, from rest. None: one pass.
        device: where it runs, "cpu" or "cuda".
        options: for a module, `name`, `shape`, `mean`, `std`, `size`, `multistep`, `steps`, `time_axis`,
            `channel_axis`, `select`, `reset`, `version` (see `amb_problems.targets.plain.own`); for a name, those of
            that target.

    Raises:
        SpecError: no such target, layer or option, or something that cannot be a target.
        PluginError: the target cannot be loaded.
    """
    if isinstance(source, type) and issubclass(source, Target):
        source = instance_of(source)
    device = check_device(device)
    if names_file_of_network(source):
        raise no_module(source, "a target's name, a torch module, or a function that returns one")
    if isinstance(source, str | Target):
        if frames is not None:
            raise SpecError(
                f"frames are for your own modules; {source if isinstance(source, str) else source.name!r} has its own"
            )
        instance = _resolve(source, options)
        if layer is not None and layer not in instance.layers:
            raise unknown("layer", layer, instance.layers, of=instance.name)
    else:
        instance = _call(find("targets", _MODULE), source, layer=layer, frames=frames, device=device, **options)
    handed = copy.copy(instance if instance.device == device else instance.on(device))
    handed.composer = CatalogueComposer()
    if layer is not None:
        handed.layer = layer
    return handed


def described(name: str) -> Target:
    """The target of that name as its model card describes it, created once; no network is loaded.

    Raises:
        SpecError: no such target.
        PluginError: it cannot be imported, or is not a target.
        CheckpointError: its card is missing or damaged.
    """
    if name == _MODULE:
        raise unknown("target", name, target_names())
    return _described(find("targets", name))


def _resolve(source: "str | Target", options: dict[str, Any]) -> Target:
    if isinstance(source, str):
        if not options:
            return described(source)
        return _load(find("targets", source), options)
    if options:
        raise SpecError(f"target {source.name} already exists, so it takes no options, got {', '.join(options)}")
    return _checked(source, f"target {type(source).__name__}")


@cache
def _described(plugin: Plugin) -> Target:
    return _load(plugin, {})


def _load(plugin: Plugin, options: dict[str, Any]) -> Target:
    loaded = plugin.load()
    if isinstance(loaded, Target):
        if options:
            raise SpecError(f"target {plugin.name!r} takes no options, got {', '.join(options)}")
        instance = _checked(loaded, str(plugin))
    else:
        if "name" in options:
            raise SpecError(f"target {plugin.name!r} has its name already; leave out name=")
        named = "name" in inspect.signature(load_function(plugin)).parameters
        instance = _call(plugin, **({"name": plugin.name} if named else {}), **options)
    if instance.name != plugin.name and ":" not in plugin.name:
        raise PluginError(f"{plugin} has the attribute name = {instance.name!r}; the two names must be equal")
    return instance


def _call(plugin: Plugin, *arguments: object, **options: object) -> Target:
    make = load_function(plugin)
    try:
        inspect.signature(make).bind(*arguments, **options)
    except TypeError as error:  # an option that it does not take
        raise SpecError(f"target {plugin.name!r}: {error}") from error
    with contained():
        instance = make(*arguments, **options)
    if not isinstance(instance, Target):
        raise PluginError(f"{plugin} did not return an amb.Target, got {instance!r}")
    return _checked(instance, str(plugin))


def _checked(instance: Target, owner: str) -> Target:
    attributes(instance, REQUIRED, "amb.Target", owner)
    return instance
