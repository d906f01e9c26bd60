"""A function that calls an objective, turned inside out: it is asked which points it wants evaluated."""

import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import numpy as np

from amb.contracts.real_numbers import as_numbers
from amb.contracts.space import FloatArray
from amb.errors import SolverError

Objective = Callable[[Any], Any]

_STOP = object()
PATIENCE = 5.0
"""Seconds that a function gets to end after it is stopped. Its thread ends with the process in any case."""


class Stopped(BaseException):
    """Ends a function whose values are no longer wanted. Not an `Exception`, so that no function swallows it."""


class Conversation:
    """A function at work in a thread, which runs only while `ask` waits for it.

    So nothing happens at the same time, and code in the function sees the global states that the caller of `ask` has
    set. The thread ends when the function returns or raises, when `close` is called, or when this object is no longer
    used; it never keeps a process alive.

    Args:
        function: takes an objective, which takes one point, float[k], or several, float[n, k].
    """

    def __init__(self, function: Callable[[Objective], object]) -> None:
        self._wanted: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._values: SimpleQueue[Any] = SimpleQueue()
        self._thread = threading.Thread(
            target=_converse, args=(function, self._wanted, self._values), name="amb optimizer", daemon=True
        )
        self._stop = weakref.finalize(self, self._values.put, _STOP)
        self._stop.atexit = False
        self.result: object = None

    def ask(self) -> FloatArray | None:
        """The points that the function wants evaluated, float64[n, k]; None if it has returned, then see `result`.

        Raises:
            Whatever the function raises.
        """
        if self._thread.ident is None:
            self._thread.start()
        kind, content = self._wanted.get()
        if kind == "raised":
            raise content
        if kind == "returned":
            self.result = content
            return None
        points: FloatArray = content
        return points

    def tell(self, losses: FloatArray) -> None:
        """Give the losses of the points that `ask` returned; the function goes on at the next `ask`."""
        self._values.put(losses)

    def close(self) -> None:
        """Stop the function where it next evaluates; idempotent.

        Raises:
            SolverError: it does not end.
        """
        self._stop()
        if self._thread.ident is not None:
            self._thread.join(PATIENCE)
            if self._thread.is_alive():
                raise SolverError("the function goes on after its budget: it must not catch BaseException")


def _converse(
    function: Callable[[Objective], object], wanted: "SimpleQueue[tuple[str, Any]]", values: "SimpleQueue[Any]"
) -> None:
    """What the thread does; it holds no reference to the conversation, so that this can be dropped."""
    lock, stopped = threading.Lock(), threading.Event()

    def objective(point: Any) -> Any:
        points = as_numbers(point)
        if points.ndim == 2 and not len(points):
            return np.empty(0)
        with lock:  # a function may evaluate in threads of its own
            if stopped.is_set():
                raise Stopped
            wanted.put(("points", np.atleast_2d(points)))
            losses = values.get()
            if losses is _STOP:
                stopped.set()
                raise Stopped
        return losses if points.ndim == 2 else float(losses[0])

    try:
        result = function(objective)
    except Stopped:
        return
    except BaseException as cause:
        wanted.put(("raised", cause))
    else:
        wanted.put(("returned", result))
