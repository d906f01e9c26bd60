"""A command without enough memory says so in a line, whichever library finds it out."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from amb.memory import wanted

COMMAND = ["run", "--solvers", "random", "--problems", "mnist-sngan/mnist-snn/sn1/0", "--budget", "20", "--seeds", "1"]


@pytest.mark.parametrize("megabytes", [600, 900])
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
    monkeypatch.setattr(resource, "getrlimit", lambda _: (900 << 20, 900 << 20))
    assert wanted(arrow) == "memory", "a thread's stack needs address space"
