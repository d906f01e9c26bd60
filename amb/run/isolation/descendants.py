"""The processes that a process has started, and what memory they use; from /proc, without any package."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path


def has_proc() -> bool:
    """Whether the system shows its processes as files, as Linux does."""
    return os.path.exists("/proc/self/stat")


def descendants(pid: int) -> list[int]:
    """All living descendants of a process; [] where the system does not show them."""
    found = children(pid)
    for child in found:  # grows
        found += children(child)
    return found


def children(pid: int) -> list[int]:
    """The living children of a process, zombies left out."""
    found: list[int] = []
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found += map(int, file.read().split())
        return [child for child in found if _parent(child) is not None]
    if not has_proc():
        return []
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _parent(int(name)) == pid]


def wake_descendants() -> None:
    """Let descendants of this process that were stopped, as by SIGSTOP, continue; others notice nothing."""
    for pid in descendants(os.getpid()):
        with suppress(OSError):
            os.kill(pid, signal.SIGCONT)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and of all its descendants, each page counted once; 0 if it is gone."""
    if not has_proc():
        output = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return int(output.stdout or 0) * 1024
    others = descendants(pid)
    if len(others) < 2:  # the usual case, and quicker
        return sum(map(_resident, [pid, *others]))
    return sum(map(_proportional, [pid, *others]))


def _parent(pid: int) -> int | None:
    """The parent of a living process; None if it is gone or a zombie."""
    try:
        state, parent, *_ = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except (OSError, ValueError):
        return None
    return None if state in "ZX" else int(parent)


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    """Resident memory with shared pages divided by the number of processes that share them."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return _resident(pid)
