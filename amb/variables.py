"""Variables of the environment as they were before code that amb calls changed them.

A solver or an objective that sets one, as for a library that it loads, is the same afterwards, and so is what reads it.
"""

import os
from collections.abc import Mapping
from typing import Any

Changes = Mapping[str, tuple[str | None, str | None]]
"""By the variables' names: values before and since; None for none."""

_CHANGED: dict[str, tuple[str | None, str | None]] = {}


def found() -> dict[Any, Any]:
    """What `note_changes` takes: this is called for every batch, and `os.environ` decodes all that it tells."""
    return dict(getattr(os.environ, "_data", os.environ))


def note_changes(before: dict[Any, Any]) -> None:
    """Note which variables code has changed that was called since they were `found`."""
    now = found()
    if now == before:
        return
    for key in before.keys() | now.keys():
        name, old, new = os.fsdecode(key), *(_decoded(values.get(key)) for values in (before, now))
        if old != new:
            first, last = _CHANGED.get(name, (old, old))
            _CHANGED[name] = (first if last == old else old), new


def unchanged() -> dict[str, str]:
    """All variables, with the values that they had; a value that the user has set since is as it is."""
    variables: dict[str, str | None] = dict(os.environ)
    variables |= {name: old for name, (old, new) in _CHANGED.items() if os.environ.get(name) == new}
    return {name: value for name, value in variables.items() if value is not None}


def changes() -> dict[str, tuple[str | None, str | None]]:
    """What was noted, for another process."""
    return dict(_CHANGED)


def take_over(noted: Changes) -> None:
    """Note what another process has noted, whose variables this one may have inherited."""
    for name, change in noted.items():
        _CHANGED.setdefault(name, change)


def _decoded(value: Any) -> str | None:
    return None if value is None else os.fsdecode(value)
