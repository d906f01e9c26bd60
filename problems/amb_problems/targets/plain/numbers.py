"""Which parts of a module compute with something that is not a number."""

from functools import partial

from torch import Tensor, nn

from amb_problems.targets.plain.neurons import is_neuron
from amb_problems.targets.plain.rest import equal, memory, tensors_in
from amb_problems.targets.plain.trace import submodule, watched_names
from amb_problems.tensor_content import has_nan, is_finite


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
        found[name] = found.get(name, False) or any(map(has_nan, tensors_in(output)))

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
            lacks = any(map(has_nan, held)) or (is_neuron(parts[name]) and not all(map(is_finite, held)))
            found[name] = found[name] or lacks
    return found
