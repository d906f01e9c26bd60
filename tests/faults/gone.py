"""Whether processes have ended: they are asked to at once, but the system takes its time."""

from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic, sleep


def is_alive(pid: int) -> bool:
    """Whether a process runs; zombies, which nobody has waited for yet, do not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def all_gone(pids: Iterable[int], seconds: float = 60) -> bool:
    """Whether all of these processes end, within so many seconds at most."""
    return within(seconds, lambda: not any(map(is_alive, pids)))


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether a condition comes to hold."""
    end = monotonic() + seconds
    while not condition():
        if monotonic() > end:
            return False
        sleep(0.05)
    return True
