"""What is known of snnTorch's and SpikingJelly's neurons: recognised by class, subclasses included.

Neither package is imported: if a module holds one of their neurons, its package is loaded already.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

_SNNTORCH, _SPIKINGJELLY = "snntorch._neurons", "spikingjelly.activation_based"


def is_neuron(module: nn.Module) -> bool:
    """Whether a module is a neuron of one of the two packages, so that its parts are not layers."""
    return _is_snntorch(module) or any(base.__module__.startswith(f"{_SPIKINGJELLY}.neuron") for base in _bases(module))


def has_memory(module: nn.Module) -> bool:
    """Whether a module is of a class that keeps a memory from step to step: neurons, filters, recurrent containers."""
    return _is_snntorch(module) or _is_memory_module(module)


def has_step_mode(module: nn.Module) -> bool:
    """Whether a module is one of SpikingJelly's that take one step at a time or all in one call."""
    return _is(module, "StepModule")


def reset(module: nn.Module) -> None:
    """Put all neurons of the two packages in a module at rest; methods of other classes are never called."""
    for part in module.modules():
        if _is_memory_module(part):
            part.reset()  # type: ignore[operator]
        elif _is_snntorch(part) and callable(forget := getattr(part, "reset_mem", None)):
            forget()


def membrane(module: nn.Module, output: object) -> Tensor | None:
    """The membrane potential of a neuron right after a call that returned `output`; None if it does not tell.

    Of SpikingJelly's neurons the potential after the reset, `[steps, n, ...]` in multi-step mode (`keep_membranes`);
    of snnTorch's what they return last: by default, with the reset in the next step, the potential before the reset.
    """
    found: object
    if _is_snntorch(module):
        found = output[-1] if isinstance(output, tuple | list) else getattr(module, "mem", None)
        if isinstance(found, tuple | list) and found:  # DeltaLeaky's present and previous potential
            found = found[0]
    else:
        found = getattr(module, "v_seq" if getattr(module, "step_mode", "s") == "m" else "v", None)
    return found if isinstance(found, Tensor) and found.ndim else None


def keep_membranes(module: nn.Module) -> None:
    """Let SpikingJelly's neurons in multi-step mode record the potential of every step."""
    for part in module.modules():
        if getattr(part, "step_mode", "s") == "m" and hasattr(part, "store_v_seq"):
            part.store_v_seq = True  # type: ignore[assignment]


def _is_snntorch(module: nn.Module) -> bool:
    return any(
        base.__module__.startswith(_SNNTORCH) and base.__name__ in ("SpikingNeuron", "LeakyParallel")
        for base in _bases(module)
    )


def _is_memory_module(module: nn.Module) -> bool:
    return _is(module, "MemoryModule")


def _is(module: nn.Module, name: str) -> bool:
    return any(base.__module__ == f"{_SPIKINGJELLY}.base" and base.__name__ == name for base in _bases(module))


def _bases(module: nn.Module) -> tuple[type, ...]:
    return type(module).__mro__


@contextmanager
def registered(module: nn.Module) -> Iterator[None]:
    """Inside, this thread finds the neurons of `module`, and no others, in snnTorch's lists of all neurons.

    `snntorch.utils.reset`, which networks call in their own forward pass, resets the neurons in these lists. Copies are
    not among them, and the user's own neurons are.
    """
    neurons = [part for part in module.modules() if _is_snntorch(part)]
    owners = {base for part in neurons for base in type(part).__mro__ if "instances" in vars(base)}
    with _swap:
        for owner in owners:
            registry: Any = owner
            if not isinstance(registry.instances, _ThreadsOwn):
                registry.instances = _ThreadsOwn(registry.instances)
            registry.instances.enter([part for part in neurons if isinstance(part, owner)])
    try:
        yield
    finally:
        with _swap:
            for owner in owners:
                registry = owner
                if isinstance(registry.instances, _ThreadsOwn) and registry.instances.leave():
                    registry.instances = registry.instances.shared


_swap = threading.Lock()


class _ThreadsOwn:
    """Replaces a list of neurons: a thread that measures sees its own copy's neurons, other threads the list."""

    def __init__(self, shared: list[object]) -> None:
        self.shared, self._own, self._inside = shared, threading.local(), 0

    def enter(self, neurons: list[nn.Module]) -> None:
        stack: list[object] = getattr(self._own, "stack", [])
        self._own.stack = [*stack, neurons]
        self._inside += 1

    def leave(self) -> bool:
        """Whether no thread is inside any more."""
        self._own.stack = self._own.stack[:-1]
        self._inside -= 1
        return self._inside == 0

    def _list(self) -> list[Any]:
        stack = getattr(self._own, "stack", None)
        return stack[-1] if stack else self.shared

    def __len__(self) -> int:
        return len(self._list())

    def __getitem__(self, index: int) -> object:
        return self._list()[index]

    def __iter__(self) -> Iterator[object]:
        return iter(self._list())

    def append(self, neuron: object) -> None:
        self._list().append(neuron)
