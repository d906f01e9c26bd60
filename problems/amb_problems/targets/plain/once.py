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
        module: a layer whose weights are computed anew in every step, by a parametrization, is computed as often.
        x: the module's input; not a tensor of inference mode, which does not count its changes.
    """
    parts = [part for part in module.modules() if type(part) in _STATELESS and "forward" not in vars(part)]
    for part in parts:
        part.forward = _once(part.forward, x)
    try:
        yield
    finally:
        for part in parts:
            del part.forward


def _once(forward: Callable[..., Tensor], x: Tensor) -> Callable[..., Tensor]:
    kept: list[tuple[int, Tensor, int]] = []

    def call(*args: Tensor, **named: Tensor) -> Tensor:
        if named or len(args) != 1 or args[0] is not x:
            return forward(*args, **named)
        if kept:
            version, result, unwritten = kept[0]
            if x._version == version and result._version == unwritten:
                return result
        result = forward(x)
        kept[:] = [(x._version, result, result._version)]
        return result

    return call
