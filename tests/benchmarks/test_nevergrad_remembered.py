"""Portfolio's thinking with and without what Nevergrad would compute again, in turn inside one process."""

from statistics import median
from time import process_time

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from amb import Space
from amb_solvers.zoos import nevergrad_remembered
from amb_solvers.zoos.nevergrad import Portfolio

QUERIES = 200


def seconds() -> float:
    """Processor seconds of all asks and tells of a run in the space of the suites."""
    solver = Portfolio(Space.uniform(128, 64), budget=QUERIES, seed=0)
    target = np.random.default_rng(1).integers(0, 64, 128)
    start = process_time()
    for _ in range(QUERIES):
        rows = solver.ask()
        solver.tell(rows, -np.abs(rows - target).mean(axis=1))
    return process_time() - start


@pytest.mark.benchmark_ratio
def test_portfolio_thinks_in_less_time(benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """At least 1.4 times as fast as with Nevergrad's own classes."""

    def own() -> float:
        with monkeypatch.context() as patch:
            patch.setattr(nevergrad_remembered, "remember", lambda optimizer: None)
            return seconds()

    seconds()  # imports
    pairs = benchmark.pedantic(lambda: [(own(), seconds()) for _ in range(5)], rounds=1)
    ratio = median(before / now for before, now in pairs)
    before, now = (median(column) / QUERIES * 1e6 for column in zip(*pairs, strict=True))
    benchmark.extra_info["times as fast"] = round(ratio, 2)
    benchmark.extra_info["us a query, before and now"] = (round(before), round(now))
    assert ratio >= 1.4
