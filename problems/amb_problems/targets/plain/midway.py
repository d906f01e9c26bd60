"""What a forward pass changes and puts back before its end: only a pass that is finished leaves it as it was."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from amb_problems.targets.plain.rest import keeps_nothing

State = list[list[Any]]


def puts_back(module: nn.Module, run: Callable[[], object], outside: Callable[[], object]) -> bool:
    """Whether parts that are taken to keep nothing, or something outside, are others in the middle of a pass.

    Of a tensor, it is seen when it is replaced or written to, and by its first and last number when that is done past
    torch's counter of changes.

    Args:
        module: at rest.
        run: shows it an image.
        outside: what is outside of the module, to compare.
    """
    parts = [part for part in module.modules() if keeps_nothing(part)]
    before, around, found = _state(parts), (outside(), torch.get_default_dtype()), False

    def called(*_: object) -> None:
        nonlocal found
        found = found or not _same(before, _state(parts)) or (outside(), torch.get_default_dtype()) != around

    handles = [part.register_forward_hook(called) for part in module.modules() if not isinstance(part, _SCRIPTED)]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return found


_SCRIPTED = torch.jit.ScriptModule


def _state(parts: list[nn.Module]) -> State:
    return [list(_values(part)) for part in parts]


def _values(part: nn.Module) -> Iterator[Any]:
    yield from vars(part).values()
    for tensor in (*part._parameters.values(), *part._buffers.values()):
        yield tensor
        if isinstance(tensor, Tensor) and not is_lazy(tensor) and tensor.layout == torch.strided and tensor.numel():
            yield tensor.data_ptr()
            yield tensor._version
            ends = tensor.detach().as_strided((1,), (1,)), tensor.detach()[(-1,) * tensor.ndim]
            yield tuple(end.item() for end in ends)


def _same(one: State, other: State) -> bool:
    return all(len(a) == len(b) and all(map(_alike, a, b)) for a, b in zip(one, other, strict=True))


def _alike(one: Any, other: Any) -> bool:
    return one is other or (isinstance(one, int | tuple) and isinstance(other, int | tuple) and bool(one == other))
