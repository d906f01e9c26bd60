"""Telling that a command ended for want of memory, whatever library met it first."""

import errno

_WORDS = (
    "failed to map segment",  # the loader, of a shared library
    "cannot allocate memory",
    "can't allocate memory",  # torch
    "can't start new thread",
    "failed to launch worker thread",  # Arrow
    "out of memory",
    "std::bad_alloc",
)


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
        current = current.__cause__ or current.__context__
    return False
