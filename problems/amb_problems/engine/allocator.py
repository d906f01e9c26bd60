"""Keeping freed memory in the process, since getting it back from the operating system costs a third of a query."""

import ctypes
from functools import cache

# Numbers of glibc's parameters, and its largest value for the first.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_REUSED = 32 << 20
_KEPT = 256 << 20


@cache
def keep_memory() -> bool:
    """Let the C library reuse freed arrays of up to 32 MiB, and return memory only beyond 256 MiB of it.

    By default, it returns the arrays of a layer to the system after every layer, and the system hands them out again
    page by page, each with a fault and filled with zeros.

    Returns:
        Whether the C library is glibc and has accepted it; elsewhere nothing changes.
    """
    try:
        set_parameter = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    accepted = set_parameter(_MMAP_THRESHOLD, _LARGEST_REUSED), set_parameter(_TRIM_THRESHOLD, _KEPT)
    return all(accepted)
