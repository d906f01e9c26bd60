"""How many runs may keep files open at once."""

import os

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]

# Left to networks, libraries, reports, and whatever else the process opens.
RESERVE = 64


def crowd_within(most: int, *, descriptors: int) -> int:
    """The number of runs, at most `most` and at least 1, that the process may have under way.

    Args:
        most: wanted if the limit on open files (`ulimit -n`) allows it.
        descriptors: files that each run keeps open.
    """
    if resource is None:
        return most
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return most
    try:
        used = len(os.listdir("/proc/self/fd"))
    except OSError:  # not on this system
        used = RESERVE
    return max(1, min(most, (limit - used - RESERVE) // descriptors))
