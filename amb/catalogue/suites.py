"""Suites by name."""

import re
from functools import cache

from amb.catalogue.plugins import find, load_instance, plugins
from amb.contracts.suite import Suite
from amb.errors import SpecError


def suite_names() -> list[str]:
    """Names of all suites; imports nothing."""
    return list(plugins("suites"))


@cache
def suite(name: str) -> Suite:
    """The suite of that name, ``quick``, or of that name and version, ``quick-1``.

    Raises:
        SpecError: no such suite, or it has a different version.
        PluginError: it cannot be imported, or is not a suite.
    """
    base, version = name, None
    if (numbered := re.fullmatch(r"(.+)-(\d+)", name)) and name not in plugins("suites"):
        base, version = numbered[1], int(numbered[2])
    plugin = find("suites", base)
    chosen = load_instance(plugin, Suite)
    if version not in (None, chosen.version):
        raise SpecError(f"{plugin} has version {chosen.version}, not {version}")
    return chosen
