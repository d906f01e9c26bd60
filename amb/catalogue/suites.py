"""Suites by name."""

import re
from contextlib import suppress
from functools import cache

from amb.catalogue.plugins import find, load_instance, plugins
from amb.contracts.suite import Suite
from amb.errors import AmbError, PluginError, SpecError


def suite_names() -> list[str]:
    """Names of all suites; imports nothing."""
    return list(plugins("suites"))


def working_suites() -> tuple[Suite, ...]:
    """All suites that can be used; plug-ins that fail are passed over."""
    return _working(tuple(suite_names()))


@cache
def _working(names: tuple[str, ...]) -> tuple[Suite, ...]:
    found = []
    for name in names:
        with suppress(AmbError):
            found.append(suite(name))
    return tuple(found)


@cache
def suite(name: str) -> Suite:
    """The suite of that name, ``quick``, or of that name and version, ``quick-1``.

    Raises:
        SpecError: no such suite, or it has a different version.
        PluginError: it cannot be imported, is not a suite, or calls itself otherwise.
    """
    base, version = name, None
    if (numbered := re.fullmatch(r"(.+)-([0-9]{1,9})", name)) and name not in plugins("suites"):
        base, version = numbered[1], int(numbered[2])
    plugin = find("suites", base)
    chosen = load_instance(plugin, Suite)
    if base in plugins("suites") and chosen.name != base:
        raise PluginError(f"{plugin} calls itself {chosen.name!r}: an entry point and its suite must have one name")
    if version not in (None, chosen.version):
        raise SpecError(f"{plugin} has version {chosen.version}, not {version}")
    return chosen
