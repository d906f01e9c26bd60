"""Which tensor of a layer's output is read."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from amb_problems.targets.plain.neurons import is_neuron, membrane

Select = int | str
"""An index, a key, or "spikes" or "membrane" of the neurons of snnTorch and SpikingJelly."""


class Unreadable(Exception):
    """A layer that cannot be measured, and why."""


def chosen(output: object, module: nn.Module, select: Select | None, steps: Collection[int] = ()) -> Tensor:
    """The tensor that is read of an output.

    Args:
        output: what the layer returned.
        module: the layer.
        select: which tensor; None: the first of a tuple (the spikes of neurons), the only one of a dictionary.
        steps: how many time steps there may be: a list of as many tensors holds one for each step.

    Raises:
        Unreadable: there is no such tensor, or several and no way to choose.
    """
    if select == "membrane" and is_neuron(module):
        found = membrane(module, output)
        if found is None:
            raise Unreadable(f"{type(module).__name__} does not tell its membrane potential")
        return found
    if select == "spikes" and is_neuron(module):
        select = None
    return _tensor(output if select is None else _part(output, select), steps)


def takes(output: object, module: nn.Module, select: Select) -> bool:
    """Whether there is anything to select in an output."""
    if is_neuron(module) and select in ("spikes", "membrane"):
        return True
    if isinstance(select, int):
        return isinstance(output, tuple | list)
    return isinstance(output, Mapping) or hasattr(output, "_fields") or hasattr(output, "__dataclass_fields__")


def _part(output: object, select: Select) -> object:
    if isinstance(output, Tensor):
        return output
    if isinstance(select, str):
        if isinstance(output, Mapping):
            if select not in output:
                raise Unreadable(f"it returns a dictionary without the key {select!r}: {_listed(output)}")
            return output[select]
        if not hasattr(output, select):
            return output
        return getattr(output, select)
    if isinstance(output, tuple | list):
        if not -len(output) <= select < len(output):
            raise Unreadable(f"it returns {len(output)} values, so select={select} is not among them")
        return output[select]
    return output


def _tensor(output: object, steps: Collection[int]) -> Tensor:
    if isinstance(output, Tensor):
        if output.is_sparse or output.is_quantized or output.is_complex():
            raise Unreadable("it returns a sparse, quantized or complex tensor")
        return output
    if isinstance(output, Mapping):
        tensors = [value for value in output.values() if isinstance(value, Tensor)]
        if len(tensors) == 1:
            return tensors[0]
        raise Unreadable(f"it returns a dictionary; choose one with select=: {_listed(output)}")
    if isinstance(output, list) and len(output) > 1 and _alike(output):
        if len(output) in steps:
            return torch.stack(output)
        raise Unreadable(f"it returns a list of {len(output)} tensors; choose one with select=, or stack time steps")
    if isinstance(output, tuple | list) and output:
        first = output[0]
        if isinstance(first, Tensor | list | tuple):
            return _tensor(first, steps)
        raise Unreadable(f"the first of its {len(output)} values is {type(first).__name__}; choose one with select=")
    raise Unreadable(f"it returns {type(output).__name__}, not a tensor")


def _alike(tensors: list[object]) -> bool:
    return len({t.shape if isinstance(t, Tensor) else None for t in tensors}) == 1 and isinstance(tensors[0], Tensor)


def _listed(output: "Mapping[object, object]") -> str:
    return ", ".join(str(key) for key in output)
