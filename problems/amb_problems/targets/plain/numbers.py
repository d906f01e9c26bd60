"""Which parts of a module compute with something that is not a number."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from amb_problems.targets.plain.neurons import is_neuron
from amb_problems.targets.plain.rest import equal, memory, tensors_in
from amb_problems.targets.plain.trace import submodule, watched_names


def without_numbers(module: nn.Module, x: Tensor, passes: int) -> dict[str, bool]:
    """The submodules that are called, in the order in which they first answer, and whether they lack numbers.

    That is so if an output or a memory holds NaN, or a neuron's memory infinity: no threshold is ever reached by NaN.

    Args:
        module: at rest.
        x: its input.
        passes: how often it is shown.
    """
    found: dict[str, bool] = {}

    def called(name: str, _: nn.Module, __: object, output: object) -> None:
        found[name] = found.get(name, False) or any(map(_has_nan, tensors_in(output)))

    handles = [submodule(module, n).register_forward_hook(partial(called, n)) for n in watched_names(module)]
    before = memory(module, parameters=False)
    try:
        for _ in range(passes):
            module(x)
    finally:
        for handle in handles:
            handle.remove()
    parts = dict(module.named_modules())
    for name, held in memory(module, parameters=False).items():
        if name in found and not equal(before.get(name, []), held):
            lacks: Callable[[Tensor], bool] = _is_endless if is_neuron(parts[name]) else _has_nan
            found[name] = found[name] or any(map(lacks, held))
    return found


def _has_nan(tensor: Tensor) -> bool:
    return bool(torch.isnan(tensor).any())


def _is_endless(tensor: Tensor) -> bool:
    return not bool(torch.isfinite(tensor).all())
