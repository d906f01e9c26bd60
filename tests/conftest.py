import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from amb.catalogue.plugins import load_file

# Where tests run side by side, each has one core; read when torch and numba are imported first, so it stands here.
# Where a test asks for two threads, the one without a core is waited for, which others should not pay for.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Containers and CI often keep Python from storing byte code; then each of the hundreds of processes that tests start
# would compile all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell that starts the tests in the background has Ctrl-C ignored, also by what they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Speed is proved by ratios in tests/benchmarks, never by a deadline on a shared machine.
# The gate's examples are the same in every run, so that it never fails by chance;
# `--hypothesis-profile=explore` draws new ones.
settings.register_profile("amb", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("amb")


def pytest_collection_finish() -> None:
    """What was imported until now stays: a search for garbage passes over it."""
    gc.collect()
    gc.freeze()


TOY = Path(__file__).parent / "plugins" / "toy.py"


@pytest.fixture
def toy() -> Path:
    """The plug-in file with the problems `toy/bowl/...` and the solvers `climber` and `crasher`."""
    load_file(TOY)
    return TOY


@pytest.fixture
def ends() -> Iterator[None]:
    """Fails a test that would take hours, which no part of a second on any machine is mistaken for."""

    def fail(*_: object) -> None:
        pytest.fail("it takes a hundred times as long as it should, so far")

    before = signal.signal(signal.SIGVTALRM, fail)
    signal.setitimer(signal.ITIMER_VIRTUAL, 30)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Small networks gain nothing from threads and lose much where other processes want the cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def file_limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int | None], None]]:
    """Sets how many bytes a file may have, as on a full disk; None: as many as before."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # Python 3.11 would leave torn byte code

    def limit(most: int | None) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, before if most is None else (most, before[1]))

    yield limit
    limit(None)
