"""Copies of a private module for threads, each brought to rest before it is shown anything."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from amb_problems.targets.plain.neurons import registered
from amb_problems.targets.plain.private import further_copy
from amb_problems.targets.plain.rest import Snapshot

Reset = Callable[[nn.Module], object]
"""Puts a module at rest."""


class Copy:
    """A copy of the module for one thread at a time.

    Args:
        module: at rest.
        reset: the user's, called before every presentation; None: the state of now is put back, and nothing else.
    """

    def __init__(self, module: nn.Module, reset: Reset | None = None) -> None:
        self.module, self._reset, self.snapshot = module, reset, Snapshot(module)

    def rest(self) -> nn.Module:
        """The module, at rest."""
        self.snapshot.restore()
        if self._reset is not None:
            self._reset(self.module)
        return self.module


class Pool:
    """Copies that wait for a thread, made when there are too few.

    Threads must not share a module's hooks or memory. Parameters are shared, unless the forward pass changes them. A
    module that cannot be copied is run itself, by one thread at a time.

    Args:
        module: at rest; it is copied and, if that is possible, never run.
        reset: the user's.
        share: whether copies share the parameters.
    """

    def __init__(self, module: nn.Module, reset: Reset | None = None, *, share: bool = True) -> None:
        self.module = module
        self._reset, self._share, self._lock = reset, share, threading.RLock()
        self.single = not copies(module)
        self._idle = [Copy(module, reset)] if self.single else []

    @contextmanager
    def borrowed(self) -> Iterator[Copy]:
        """A copy for this thread, which finds its neurons, and no others, in snnTorch's lists."""
        if self.single:
            with self._lock, registered(self.module):
                yield self._idle[0]
            return
        with self._lock:
            copy = self._idle.pop() if self._idle else self._copy()
        try:
            with registered(copy.module):
                yield copy
        finally:
            with self._lock:
                self._idle.append(copy)

    @contextmanager
    def fresh(self) -> Iterator[Copy]:
        """A new copy, which nothing has been shown to."""
        if self.single:
            with self.borrowed() as copy:
                yield copy
            return
        with self._lock:
            copy = self._copy()
        with registered(copy.module):
            yield copy

    def _copy(self) -> Copy:
        with torch.inference_mode(False):  # tensors of inference mode do not count their changes
            return Copy(further_copy(self.module, share=self._share), self._reset)


def copies(module: nn.Module) -> bool:
    """Whether a module can be copied."""
    try:
        further_copy(module)
    except Exception:  # anything may hang on a user's module
        return False
    return True
