"""Rest: a module's state before a presentation, and how it is brought back to it.

Nothing is assumed about where a module keeps its memory. Everything that its parts hold, in attributes, buffers,
lists and objects of their own, is remembered once and put back before every presentation.
"""

import copy
import random
import types
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from amb_problems.tensor_content import same_values

_ATOMIC = (
    type(None), bool, int, float, complex, str, bytes, type, torch.dtype, torch.device, torch.Size, range, slice,
    types.FunctionType, types.BuiltinFunctionType, types.ModuleType, np.dtype, partial,
)  # fmt: skip


class Snapshot:
    """The state of a module at the moment of creation.

    Args:
        module: parts of torch's own classes without hooks keep nothing between calls in evaluation mode; they are
            left out.
    """

    def __init__(self, module: nn.Module) -> None:
        self._held: list[tuple[dict[Any, Any] | list[Any] | set[Any] | deque[Any], Any]] = []
        self._tensors: list[tuple[Tensor, int, Tensor]] = []
        self._arrays: list[tuple[np.ndarray, np.ndarray]] = []
        self._objects: list[tuple[dict[Any, Any], Any, object]] = []
        self._seen: set[int] = set()
        self._written: set[int] = set()
        self._paths: dict[int, str] = {}
        for name, part in module.named_modules():
            if not keeps_nothing(part):
                self._part(name, part)

    def restore(self) -> None:
        """Put everything back."""
        for container, content in self._held:
            if isinstance(container, dict | set):
                container.clear()
                container.update(content)
            else:
                container.clear()
                container.extend(content)
        for holder, key, pristine in self._objects:
            holder[key] = copy.deepcopy(pristine, self._shared())
        for index, (tensor, version, backup) in enumerate(self._tensors):
            if tensor._version != version or index in self._written:
                with torch.no_grad():
                    tensor.copy_(backup)
                self._tensors[index] = (tensor, tensor._version, backup)
        for array, saved in self._arrays:
            np.copyto(array, saved)

    def changed(self) -> set[str]:
        """What has been assigned or written since: `<part>.<attribute>` each.

        Tensors that were written past torch's counter of changes (through `.data`) are from now on always put back.
        """
        found: set[str] = set()
        for container, content in self._held:
            path = self._paths[id(container)]
            if isinstance(container, dict):
                keys = container.keys() | content.keys()
                found |= {f"{path}.{k}" for k in keys if container.get(k, self) is not content.get(k, self)}
            elif isinstance(container, set):
                found |= {path} if container != content else set()
            elif len(container) != len(content) or any(a is not b for a, b in zip(container, content, strict=True)):
                found.add(path)
        for index, (tensor, version, backup) in enumerate(self._tensors):
            if not same_values(tensor, backup):
                found.add(self._paths[id(tensor)])
                if tensor._version == version:
                    self._written.add(index)
        return found

    @property
    def draws(self) -> bool:
        """Whether the module holds generators of random numbers of its own."""
        return any(isinstance(o, torch.Generator | np.random.Generator | random.Random) for _, _, o in self._objects)

    def _shared(self) -> dict[int, object]:
        return {id(tensor): tensor for tensor, _, _ in self._tensors}

    def _part(self, name: str, part: nn.Module) -> None:
        if isinstance(part, torch.jit.ScriptModule):
            for key, tensor in [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]:
                self._tensor(f"{name}.{key}", tensor)
            return
        attributes = vars(part)
        self._dict(name, attributes, skip=("_modules", "_parameters", "_buffers"))
        for table in ("_parameters", "_buffers"):
            self._dict(name, attributes[table])

    def _dict(self, path: str, holder: dict[Any, Any], skip: tuple[str, ...] = ()) -> None:
        if id(holder) in self._seen:
            return
        self._seen.add(id(holder))
        self._paths[id(holder)] = path
        self._held.append((holder, dict(holder)))
        for key, value in holder.items():
            if key not in skip:
                self._value(f"{path}.{key}", value, holder, key)

    def _value(self, path: str, value: Any, holder: Any, key: Any) -> None:
        if isinstance(value, (*_ATOMIC, nn.Module)) or id(value) in self._seen:
            return
        if isinstance(value, Tensor):
            self._tensor(path, value)
        elif isinstance(value, dict):
            self._dict(path, value)
        elif isinstance(value, list | deque):
            self._sequence(path, value)
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                self._value(f"{path}[{index}]", item, None, None)
        elif isinstance(value, set):
            self._seen.add(id(value))
            self._paths[id(value)] = path
            self._held.append((value, set(value)))
        elif isinstance(value, np.ndarray):
            self._arrays.append((value, value.copy()))
        elif isinstance(value, types.MethodType):
            self._value(path, value.__self__, None, None)
        elif hasattr(value, "__dict__"):
            self._seen.add(id(value))
            self._dict(path, vars(value))
        elif isinstance(holder, dict):
            self._opaque(holder, key, value)

    def _sequence(self, path: str, value: "list[Any] | deque[Any]") -> None:
        self._seen.add(id(value))
        self._paths[id(value)] = path
        self._held.append((value, list(value)))
        for index, item in enumerate(value):
            self._value(f"{path}[{index}]", item, None, None)

    def _tensor(self, path: str, tensor: Tensor) -> None:
        if id(tensor) not in self._seen and not is_lazy(tensor):
            self._seen.add(id(tensor))
            self._paths[id(tensor)] = path
            self._tensors.append((tensor, tensor._version, tensor.detach().clone()))

    def _opaque(self, holder: dict[Any, Any], key: Any, value: object) -> None:
        """An object that hides its state, such as a generator of random numbers: copied before every presentation."""
        try:
            self._objects.append((holder, key, copy.deepcopy(value)))
        except Exception:  # it cannot be copied, so it is left alone; the verification finds out if that matters
            return


def weights_changed(before: dict[str, Tensor], module: nn.Module) -> Iterator[str]:
    """Names of the parameters that are not what they were."""
    return (name for name, tensor in module.named_parameters() if not same_values(tensor, before[name]))


def memory(module: nn.Module, *, parameters: bool) -> dict[str, list[Tensor]]:
    """Copies of the tensors that each submodule holds, with its parameters or without."""
    held: dict[str, list[Tensor]] = {}
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule) or keeps_nothing(part):
            continue
        values = [*vars(part).values(), *part._buffers.values(), *vars(part).get("_memories", {}).values()]
        held[name] = [tensor.detach().clone() for value in values for tensor in tensors_in(value)]
    if parameters:
        for name, part in module.named_modules():
            held.setdefault(name, []).extend(p.detach().clone() for p in part.parameters(recurse=False))
    return held


def tensors_in(value: Any, depth: int = 0) -> Iterator[Tensor]:
    """The tensors of an attribute: in lists, dictionaries and objects of the user's own too."""
    if isinstance(value, Tensor):
        yield value
    elif depth > 3 or isinstance(value, nn.Module):
        return
    elif isinstance(value, list | tuple | deque):
        for item in value:
            yield from tensors_in(item, depth + 1)
    elif isinstance(value, dict):
        for _, item in sorted(value.items(), key=lambda pair: repr(pair[0])):
            yield from tensors_in(item, depth + 1)


def equal(one: list[Tensor], other: list[Tensor]) -> bool:
    """Whether two lists hold the same values."""
    return len(one) == len(other) and all(same_values(a, b) for a, b in zip(one, other, strict=True))


def blank(value: object) -> bool:
    """Whether a memory can be at rest: nothing, zero, a potential that all units share, not what an image has left."""
    if isinstance(value, Tensor):
        return value.numel() == 0 or bool((value == value.flatten()[0]).all())
    if isinstance(value, bool | int):
        return not value
    if isinstance(value, list | tuple):
        return all(blank(item) for item in value)
    return value is None or not hasattr(value, "__len__") or len(value) == 0


def weights(module: nn.Module) -> dict[str, Tensor]:
    """A copy of all parameters."""
    return {name: tensor.detach().clone() for name, tensor in module.named_parameters()}


def keeps_nothing(part: nn.Module) -> bool:
    """Whether a part is of a class of torch's own that keeps nothing between calls."""
    own = type(part).__module__.startswith("torch.nn.modules.") and not isinstance(part, torch.jit.ScriptModule)
    hooks = ("_forward_hooks", "_forward_pre_hooks")
    return own and not part.training and not any(vars(part)[name] for name in hooks) and _is_plain(part)


def _is_plain(part: nn.Module) -> bool:
    """Whether it has no attributes beyond simple ones: users hang lists and tensors on torch's own classes too."""
    simple = (*_ATOMIC, tuple, nn.Module)
    return all(
        name.startswith("_") or isinstance(value, simple) or (isinstance(value, list) and not value)
        for name, value in vars(part).items()
    )
