"""A command without enough memory says so in a line, whichever library finds it out."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from amb.memory import wanted

COMMAND = ["run", "--solvers", "random", "--problems", "mnist-sngan/mnist-snn/sn1/0", "--budget", "20", "--seeds", "1"]


@pytest.mark.parametrize("megabytes", [600, 700])
def test_a_command_without_enough_address_space_ends_in_a_line(tmp_path: Path, megabytes: int) -> None:
    """ulimit -v, as batch systems set it: no traceback of numba or torch, and the same command works with more.

    With limits near what is needed, LLVM ends the process itself, and says so.
    """

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    words = [sys.executable, "-m", "amb", *COMMAND, "--study", str(tmp_path / "study")]
    ended = subprocess.run(words, preexec_fn=limit, capture_output=True, text=True, timeout=600, check=False)
    assert "Traceback" not in ended.stderr
    if ended.returncode:  # where libraries need less, the command works
        assert ended.returncode == 2
        assert "not enough memory" in ended.stderr.splitlines()[-1]


def test_want_of_memory_is_told_from_other_failures() -> None:
    found = OSError("Could not find/load shared object file 'lib.so'")  # as llvmlite raises it
    found.__context__ = OSError("lib.so: failed to map segment from shared object")
    assert wanted(found) == "memory"
    assert wanted(MemoryError()) == "memory"
    assert wanted(OSError(12, "Cannot allocate memory")) == "memory"
    assert not wanted(OSError(28, "No space left on device"))
    assert not wanted(ValueError("out of memory"))


def test_an_extension_that_fails_without_a_word_is_short_of_memory_only_under_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed = SystemError("error return without exception set")
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda _: unlimited)
    assert not wanted(failed)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (900 << 20, 900 << 20))
    assert wanted(failed) == "memory"
    assert not wanted(SystemError("bad argument to internal function"))


def test_want_of_threads_is_told_from_want_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user was told to raise the limit of memory where that of processes was met (ulimit -u, containers)."""
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    arrow = OSError("Failed to launch worker thread: Resource temporarily unavailable")
    behind = MemoryError()
    behind.__cause__ = arrow
    monkeypatch.setattr(resource, "getrlimit", lambda _: unlimited)
    for failed in (RuntimeError("can't start new thread"), arrow, behind, BlockingIOError(11, "unavailable")):
        assert wanted(failed) == "threads"
    assert not wanted(BlockingIOError(11, "write could not complete without blocking", 0)), "of a pipe"
    monkeypatch.setattr(resource, "getrlimit", lambda _: (900 << 20, 900 << 20))
    assert wanted(arrow) == "memory", "a thread's stack needs address space"


FILLING = """
import mmap, resource, sys
import numpy as np
from amb.memory import take_buffers
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
if sys.argv[1] == "early":
    take_buffers()
kept = []
while True:
    try:
        kept.append(mmap.mmap(-1, 16 << 20))
    except OSError:
        break
try:
    take_buffers()
except MemoryError as error:
    print(error)
if sys.argv[1] == "early":
    print(np.linalg.inv(np.eye(2)).trace())
"""


@pytest.mark.parametrize(("when", "said"), [("early", ["there is no room", "2.0"]), ("late", ["there is no room"])])
def test_algebra_under_a_limit_has_its_buffer_before_the_memory_is_used_up(when: str, said: list[str]) -> None:
    """OpenBLAS tried for ever to get one: a report under ulimit -v never ended, and SIGTERM did not end it."""
    words = [sys.executable, "-c", FILLING, when]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert [line[: len(start)] for line, start in zip(ended.stdout.splitlines(), said, strict=True)] == said


FAILING = """
import mmap, resource, sys
from amb import cli
from amb.memory import take_buffers
kept = []
chain = ()
def run():
    global chain
    take_buffers()
    kept.extend(mmap.mmap(-1, 16 << 20) for _ in range(int(sys.argv[1])))
    size = 1 << 16
    while True:
        try:
            chain = (bytes(size), chain)  # a list would ask for much at once
        except MemoryError:
            if size < 64:
                raise
            size //= 2
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
count = 0
try:
    while True:
        kept.append(mmap.mmap(-1, 16 << 20))
except OSError:
    count = len(kept) - 10
kept.clear()
sys.argv[1:] = [str(count)]
cli._run = run
cli.main()
"""


def test_there_is_room_to_say_that_memory_is_used_up_to_the_last_byte() -> None:
    """The line was lost to another MemoryError, in a traceback."""
    ended = subprocess.run([sys.executable, "-c", FAILING], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert "not enough memory" in ended.stderr.splitlines()[-1]
