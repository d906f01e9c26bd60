"""The memory that some lines of Python need at their peak, in a process of their own."""

import subprocess
import sys

import pytest

# Not ru_maxrss: a new process inherits that of the process that starts it, which may be larger than its own.
PEAK = """
def peak():
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
"""


def megabytes_and_answer(before: str, lines: str, *words: str) -> tuple[int, str]:
    """The megabytes that `lines` need beyond what `before` has left, and what they print.

    Args:
        before: imports, and what else does not count.
        lines: what is measured.
        words: `sys.argv[1:]`.
    """
    if sys.platform != "linux":
        pytest.skip("reads /proc/self/status")
    code = f"{PEAK}\nimport sys\n{before}\nstart = peak()\n{lines}\nprint(); print((peak() - start) >> 10)"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    said, megabytes = done.stdout.rstrip("\n").rsplit("\n", 1)
    return int(megabytes), said.strip()
