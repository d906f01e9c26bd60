"""Telling that a command ended for want of memory, whatever library met it first."""

import errno
import sys

_WORDS = (
    "failed to map segment",  # the loader, of a shared library
    "cannot allocate memory",
    "can't allocate memory",  # torch
    "can't start new thread",
    "failed to launch worker thread",  # Arrow
    "out of memory",
    "std::bad_alloc",
)
# The interpreter's words for an extension that failed and did not say why.
_UNSAID = ("without exception set", "without setting an exception", "with an exception set")


def lacks_memory(error: BaseException) -> bool:
    """Whether an exception, or one that it came from, says that memory or address space is used up."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if isinstance(current, MemoryError) or getattr(current, "errno", None) == errno.ENOMEM:
            return True
        if isinstance(current, OSError | ImportError | RuntimeError) or type(current).__module__ == "pyarrow.lib":
            text = str(current).lower()
            if any(words in text for words in _WORDS):
                return True
        if isinstance(current, SystemError) and _is_limited() and any(words in str(current) for words in _UNSAID):
            return True
        current = current.__cause__ or current.__context__
    return False


def _is_limited() -> bool:
    """Whether the address space is limited, so that an extension's allocations fail."""
    if sys.platform == "win32":
        return False
    import resource

    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
