"""What it costs to change the global random states, as a solver of single candidates does four times a query."""

import random
from time import thread_time

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from amb_solvers.shared.private_random import PrivateRandom

pytestmark = pytest.mark.benchmark_ratio


def copy_states(private: dict[str, object]) -> None:
    """The same by numpy's and Python's own functions, which copy 624 words one by one."""
    outside = np.random.get_state(), random.getstate()  # noqa: NPY002
    np.random.set_state(private["numpy"])  # noqa: NPY002
    random.setstate(private["python"])  # type: ignore[arg-type]
    private["numpy"], private["python"] = np.random.get_state(), random.getstate()  # noqa: NPY002
    np.random.set_state(outside[0])  # noqa: NPY002
    random.setstate(outside[1])


def test_private_random_states_cost_little(benchmark: BenchmarkFixture) -> None:
    states: dict[str, object] = {"numpy": np.random.get_state(), "python": random.getstate()}  # noqa: NPY002
    private = PrivateRandom(0)
    ratios = []
    for _ in range(7):
        start = thread_time()
        for _ in range(300):
            copy_states(states)
        middle = thread_time()
        for _ in range(300):
            with private.use():
                pass
        ratios.append((middle - start) / (thread_time() - middle))
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info["times"] = round(float(np.median(ratios)), 1)
    assert np.median(ratios) > 4
