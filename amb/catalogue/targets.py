"""Targets: networks whose units are driven, by name or one's own."""

from typing import Any

from amb.catalogue.plugins import find, load_function
from amb.contracts.target import Target
from amb.errors import PluginError, SpecError

_OWN = "module"
"""The plug-in that makes targets of torch modules."""


def target(
    source: object, *, layer: str | None = None, frames: int | None = None, device: str = "cpu", **options: Any
) -> Target:
    """A network whose units are driven, to make problems of with a generator.

    Args:
        source: a name of the entry-point group `amb.targets` (``snn-cnn``, ``imagenet-alexnet``); or a torch module;
            or a function without arguments that makes one, called when it is first needed.
        layer: name of a submodule; problems are made of it unless they name another.
        frames: None for a plain module. Else a spiking one, of snnTorch (``init_hidden=True``) or SpikingJelly
            (single-step), which takes one frame a call: it is shown the image so often, from rest every time.
        device: where it runs, "cpu" or "cuda".
        options: of a module, `name`, `shape`, `mean`, `std`, `version`; of a name, what that target takes.

    Raises:
        SpecError: no such target, layer or option, or something that is neither name, module nor function.
        PluginError: the target cannot be loaded.
    """
    if isinstance(source, str):
        if frames is not None:
            raise SpecError(f"frames are for one's own modules; {source!r} has its own")
        return _call(source, source, layer=layer, device=device, **options)
    return _call(_OWN, source, layer=layer, frames=frames, device=device, **options)


def _call(plugin_name: str, source: object, **options: object) -> Target:
    plugin = find("targets", plugin_name)
    make = load_function(plugin)
    try:
        made = make(source, **options)
    except TypeError as error:  # an option that it does not take
        raise SpecError(f"target {plugin_name!r}: {error}") from error
    if not isinstance(made, Target):
        raise PluginError(f"{plugin} did not make an amb.Target: {made!r}")
    return made
