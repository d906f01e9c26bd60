"""Layers that see the image itself in every step of a presentation: computed once.

A loop over time, or one over frames, calls its first convolution with the same image every time. The result is the
same, bit for bit, so it is kept for as long as neither the image nor the result has been written to.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

_STATELESS: tuple[type[nn.Module], ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


@contextmanager
def computed_once(module: nn.Module, x: Tensor) -> Iterator[None]:
    """Inside, convolutions and fully connected layers of `x` itself are computed once.

    Args:
        module: its weights must not change in a forward pass.
        x: the module's input; not a tensor of inference mode, which does not count its changes.
    """
    parts = [part for part in module.modules() if any(type(part).forward is kind.forward for kind in _STATELESS)]
    parts = [part for part in parts if "forward" not in vars(part)]
    for part in parts:
        part.forward = _once(part.forward, x)
    try:
        yield
    finally:
        for part in parts:
            del part.forward


def _once(forward: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[Tensor], Tensor]:
    kept: list[tuple[int, Tensor, int]] = []

    def call(given: Tensor) -> Tensor:
        if given is not x:
            return forward(given)
        if kept:
            version, result, unwritten = kept[0]
            if x._version == version and result._version == unwritten:
                return result
        result = forward(x)
        kept[:] = [(x._version, result, result._version)]
        return result

    return call
