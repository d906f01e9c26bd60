"""Parallel work in which one thread computes each piece, so that no bit depends on the number of threads."""

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier, Lock
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_starting = Lock()


def one_thread_each(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`function` of every item, in order, on the number of threads that torch is set to.

    Kernels sum in an order that depends on the number of threads that share a call, so each call gets one thread.
    """
    import torch  # imported only when needed: generators and targets are listed without torch

    threads = torch.get_num_threads()
    if threads == 1:
        return [function(item) for item in items]
    with _starting:
        workers = _workers(threads)
    return list(workers.map(function, items))


@cache
def _workers(number: int) -> ThreadPoolExecutor:
    """Threads for each of which torch uses one thread; they live as long as the process.

    Torch keeps the number per thread, and one for threads that have not used it yet. The latter must not change while
    solvers with threads of their own compute: it is what it was before when this returns.
    """
    import torch

    started = Barrier(number + 1)

    def start() -> None:
        torch.get_num_threads()  # the first call in a thread sets its number to that of the process
        torch.set_num_threads(1)
        started.wait()

    workers = ThreadPoolExecutor(number, thread_name_prefix="amb-network", initializer=start)
    for _ in range(number):
        workers.submit(int)
    started.wait()
    torch.set_num_threads(number)
    return workers


def _forget_threads() -> None:
    """Compute on one thread in a forked process, which has no threads but its own: OpenMP would wait for the others.

    `DataLoader` of torch does the same in its workers.
    """
    _workers.cache_clear()
    # Another thread of the parent may have been importing it: waiting for that would take forever here.
    if write := getattr(sys.modules.get("torch"), "set_num_threads", None):
        write(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
