"""Telling that a command ended for want of memory or threads, whatever library met it first."""

import errno
import mmap
import sys
from typing import Literal

_OF_MEMORY = (
    "failed to map segment",  # the loader, of a shared library
    "cannot allocate memory",
    "can't allocate memory",  # torch
    "out of memory",
    "std::bad_alloc",
)
_OF_THREADS = (
    "can't start new thread",
    "failed to launch worker thread",  # Arrow
)
# Bytes of OpenBLAS's buffer, 32 MiB and a page, and as much again.
_BUFFER = 64 << 20
# Bytes that are kept to say what failed.
_RESERVE = 4 << 20
_reserve: list[bytearray] = []
# The interpreter's words for an extension that failed and did not say why.
_UNSAID = ("without exception set", "without setting an exception", "with an exception set")


def wanted(error: BaseException) -> Literal["memory", "threads", ""]:
    """What is used up if an exception, or one that it came from, says so: memory or address space, or threads.

    Where the address space is limited, a thread that cannot be started lacks room for its stack.
    """
    chain = _chain(error)
    if any(map(_is_of_a_process, chain)):
        return "threads"
    if any(_says(one, _OF_THREADS) for one in chain):
        return "memory" if _is_limited() else "threads"
    return "memory" if any(map(_is_of_memory, chain)) else ""


def take_buffers() -> None:
    """Where the address space is limited, have OpenBLAS take its buffer now, while there is room for one.

    It keeps the buffer. If there is no room when it first needs one, it tries again for ever, and nothing but SIGKILL
    ends it.

    Raises:
        MemoryError: there is no room.
    """
    if not _is_limited():
        return
    import numpy as np

    try:
        mmap.mmap(-1, _BUFFER).close()
    except OSError as cause:
        raise MemoryError("there is no room for the buffer of OpenBLAS") from cause
    np.linalg.inv(np.eye(2))
    _reserve.append(bytearray(_RESERVE))


def release_reserve() -> None:
    """Give up what `take_buffers` has kept, so that there is room to say that there is none."""
    _reserve.clear()


def _chain(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and not any(current is one for one in chain):
        chain.append(current)
        current = current.__cause__ or current.__context__
    return chain


def _is_of_a_process(error: BaseException) -> bool:
    """Whether a process could not be started; a pipe that does not block says that it could not write."""
    return isinstance(error, BlockingIOError) and error.filename is None and "write" not in str(error)


def _is_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM or _says(error, _OF_MEMORY):
        return True
    return isinstance(error, SystemError) and _is_limited() and any(words in str(error) for words in _UNSAID)


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    if isinstance(error, OSError | ImportError | RuntimeError) or type(error).__module__ == "pyarrow.lib":
        text = str(error).lower()
        return any(some in text for some in words)
    return False


def _is_limited() -> bool:
    """Whether the address space is limited, so that an extension's allocations fail."""
    if sys.platform == "win32":
        return False
    import resource

    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
