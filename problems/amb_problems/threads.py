"""Parallel work in which one thread computes each piece, so that no bit depends on the number of threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def one_thread_each(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`function` of every item, in order, on the number of threads that torch is set to.

    Kernels sum in an order that depends on the number of threads that share a call, so each call gets one thread.
    """
    import torch  # imported only when needed: generators and targets are listed without torch

    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        if min(threads, len(items)) < 2:
            return [function(item) for item in items]
        # OpenMP keeps the number of threads per calling thread, so every worker sets it itself.
        with ThreadPoolExecutor(min(threads, len(items)), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(function, items))
    finally:
        torch.set_num_threads(threads)
