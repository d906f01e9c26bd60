"""Expected runtimes against their definition, worked by hand."""

import numpy as np
import pandas as pd
import pytest

from amb.stats.runtimes import expected_runtimes, pooled_runtimes


def study(values: dict[tuple[str, str, int], list[float]], budget: int) -> tuple[pd.DataFrame, dict]:  # type: ignore[type-arg]
    traces = {cell: np.array(run, dtype=float) for cell, run in values.items()}
    rows = [
        {"problem": p, "generator": "g", "target": p[0], "solver": s, "seed": seed, "budget": budget}
        | {"final": np.nanmax(traces[p, s, seed]), "best": np.nanmax(traces[p, s, seed])}
        for p, s, seed in traces
    ]
    return pd.DataFrame(rows), traces


VALUES = {
    ("a", "fast", 0): [0.0, 1.0, 1.0, 1.0],
    ("a", "fast", 1): [0.0, 0.0, 0.2, 0.2],
    ("a", "slow", 0): [0.0, 0.0, 0.0, 0.6],
    ("a", "slow", 1): [0.1, np.nan, 0.1, 0.1],
    ("b", "fast", 0): [0.5, 0.5, 0.5, 0.5],
    ("b", "slow", 0): [0.1, 0.1, 0.5, 0.5],
}


def test_ert_counts_the_queries_of_misses() -> None:
    """Two queries of the run that arrived and four of the one that did not, over one success."""
    runs, traces = study(VALUES, budget=4)
    table = expected_runtimes(runs, traces, fractions=[0.5, 1.0]).set_index(["problem", "solver", "fraction"])["ert"]
    assert table["a", "fast", 0.5] == 6
    assert table["a", "slow", 0.5] == 8
    assert table["a", "slow", 1.0] == np.inf
    assert table["b", "fast", 1.0] == 1
    assert table["b", "slow", 1.0] == 3


def test_pooled_ert_sums_over_problems_and_brackets_itself() -> None:
    """All queries over all successes; the interval holds the value; a single problem has none."""
    runs, traces = study(VALUES, budget=4)
    table = pooled_runtimes(runs, traces, fractions=[0.5, 1.0])
    fast = table[table["solver"] == "fast"].set_index("fraction")
    assert fast["ert"].tolist() == [7 / 2, 7 / 2]
    assert fast["reached"].tolist() == [pytest.approx(2 / 3)] * 2
    assert (table["low"] <= table["ert"]).all()
    assert (table["ert"] <= table["high"]).all()
    assert table["high"].max() / table["ert"].max() > 1, "two problems say little"
    alone = pooled_runtimes(runs[runs["problem"] == "b"], traces, fractions=[0.5])
    assert alone[["low", "high"]].isna().all(axis=None), "one run of one problem"


def test_the_interval_covers_the_expectation() -> None:
    """Geometric runtimes with restarts: ERT is 1/p, and 95% intervals hold it about that often."""
    rng = np.random.default_rng(0)
    p, budget, inside = 0.02, 60, 0
    for _ in range(100):
        hits = rng.geometric(p, size=(12, 8))
        values = {
            (f"{problem}", "one", seed): (np.arange(1, budget + 1) >= hits[problem, seed]).astype(float).tolist()
            for problem in range(12)
            for seed in range(8)
        }
        runs, traces = study(values, budget)
        runs["target"] = runs["problem"]  # every problem its own network
        row = pooled_runtimes(runs, traces, fractions=[1.0]).iloc[0]
        inside += row["low"] <= 1 / p <= row["high"]
    assert 89 <= inside <= 99
