"""Pieces of work on threads of their own, without a trace in the rest of the process."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import torch

from amb_problems.threads import one_thread_each


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def in_a_new_thread() -> int:
    """How many threads torch uses in a thread that has not used it yet."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.usefixtures("three_threads")
def test_every_piece_has_one_thread_and_the_rest_of_the_process_keeps_its_number() -> None:
    """A solver that starts threads while a batch is evaluated computes the same as without."""
    pieces = one_thread_each(lambda piece: (piece, torch.get_num_threads(), in_a_new_thread()), range(7))
    assert pieces == [(piece, 1, 3) for piece in range(7)]
    assert torch.get_num_threads() == in_a_new_thread() == 3


@pytest.mark.usefixtures("three_threads")
def test_an_exception_in_a_piece_is_the_callers() -> None:
    with pytest.raises(ZeroDivisionError):
        one_thread_each(lambda piece: 1 // piece, [1, 0, 2])
    assert one_thread_each(lambda piece: 6 // piece, [1, 2]) == [6, 3]


@pytest.mark.usefixtures("three_threads")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_starts_threads_of_its_own() -> None:
    one_thread_each(abs, [1, 2, 3])
    child = os.fork()
    if child == 0:
        os._exit(0 if one_thread_each(abs, [-1, -2]) == [1, 2] else 1)
    assert os.waitpid(child, 0)[1] == 0


FORKED = """
import multiprocessing, sys
import numpy as np
import amb

problem = amb.problem(sys.argv[1])

def evaluated(seed):
    return problem.evaluate(problem.space.sample_prior(4, np.random.default_rng(seed))).tolist()

expected = [evaluated(seed) for seed in range(2)]
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(evaluated, range(2)) == expected
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("problem", ["mnist-sngan/mnist-snn/sn1/0", "cifar10-sngan-int8/snn-cnn/sn1/29"])
def test_a_pool_that_forks_evaluates_what_its_parent_does(problem: str) -> None:
    """The threads of OpenMP are not forked, and a child that used them waited for ever."""
    words = [sys.executable, "-W", "ignore", "-c", FORKED, problem]
    subprocess.run(words, env={**os.environ, "OMP_NUM_THREADS": "2"}, timeout=240, check=True)
