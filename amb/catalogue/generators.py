"""Generators by name, built in or a stranger's."""

from functools import cache

from amb.catalogue.plugins import Plugin, find, load_instance
from amb.contracts.generator import Generator
from amb.errors import PluginError


def generator(name: str, *, device: str = "cpu") -> Generator:
    """The generator of that name in the entry-point group `amb.generators`; made once.

    An entry point names a `Generator`, or a class or function without arguments that makes one.

    Args:
        name: such as ``cifar10-sngan``.
        device: where it computes, "cpu" or "cuda".

    Raises:
        SpecError: no such generator.
        PluginError: it cannot be loaded, or is none.
        CheckpointError: its checkpoint is missing or damaged.
    """
    return _made(find("generators", name), device)


@cache
def _made(plugin: Plugin, device: str) -> Generator:
    made = load_instance(plugin, Generator)
    if made.name != plugin.name and ":" not in plugin.name:
        raise PluginError(f"{plugin} calls itself {made.name!r}; give it one name")
    return made.on(device)
