"""Places outside of a module that may change in a forward pass: what they held, and how it is put back.

What a place holds is a list, whose entries are compared by identity, and numbers, texts, tensors and arrays by content.
"""

from collections.abc import Callable, MutableMapping, MutableSet
from types import CellType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from amb_problems.targets.plain.rest import same_values

MISSING = object()
"""What a name holds that is not there."""
Read = Callable[[], list[Any]]
"""What a place holds now."""
Put = Callable[[list[Any]], object]
"""Puts back what it held."""


class Place:
    """Something that can change, as it was found."""

    def __init__(self, label: str, read: Read, put: Put) -> None:
        self.label, self._read, self._put, self._was = label, read, put, read()

    def is_changed(self) -> bool:
        """Whether it holds something else now."""
        try:
            now = self._read()
        except Exception:  # nor can it be put back
            return False
        return len(now) != len(self._was) or not all(map(_same, now, self._was))

    def restore(self) -> None:
        """Put back what it held."""
        self._put(self._was)


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if isinstance(one, tuple) and isinstance(other, tuple):  # the entries of a mapping
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return same_values(one, other)
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.tobytes() == other.tobytes()
    plain = bool, int, float, complex, str, bytes
    return type(one) is type(other) and isinstance(one, plain) and one == other


def entries(container: Any) -> list[Any]:
    """Those of a container: a mapping's as pairs."""
    return [*container.items()] if isinstance(container, MutableMapping) else [*container]


def put_entries(container: Any, entries: list[Any]) -> None:
    """Put back a container's."""
    container.clear()
    if isinstance(container, MutableMapping):
        container.update(entries)
    elif isinstance(container, MutableSet):
        for entry in entries:
            container.add(entry)
    else:
        container.extend(entries)


def put_entry(space: dict[str, Any], name: str, was: list[Any]) -> None:
    """Put back a name's value; it may have had none."""
    if was[0] is MISSING:
        space.pop(name, None)
    else:
        space[name] = was[0]


def attributes(owner: type) -> list[tuple[str, Any]]:
    """A class's own, with their names."""
    return [*vars(owner).items()]


def put_attributes(owner: type, were: list[tuple[str, Any]]) -> None:
    """Put back a class's own."""
    now, before = dict(vars(owner)), dict(were)
    for name in now.keys() - before.keys():
        type.__delattr__(owner, name)
    for name, value in before.items():
        if now.get(name, MISSING) is not value:
            type.__setattr__(owner, name, value)


def content(cell: CellType) -> list[Any]:
    """What a captured variable holds."""
    try:
        return [cell.cell_contents]
    except ValueError:  # no value yet
        return [MISSING]


def put_content(cell: CellType, was: list[Any]) -> None:
    """Put back a captured variable's."""
    if was[0] is MISSING:
        del cell.cell_contents
    else:
        cell.cell_contents = was[0]


def put_tensor(tensor: Tensor, was: list[Tensor]) -> None:
    """Put back its numbers."""
    with torch.no_grad():
        tensor.copy_(was[0])
