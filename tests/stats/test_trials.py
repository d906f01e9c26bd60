"""How many trials a solver saves: queries to a threshold relative to the best ranked, over problems and networks."""

import numpy as np
import pandas as pd
import pytest

from amb.stats.trials import trials_needed

BUDGET = 100


def study(first: dict[str, list[int]]) -> tuple[pd.DataFrame, dict[tuple[str, str, int], np.ndarray]]:
    """Two seeds of every solver on eight problems of four networks; it jumps from 0 to 1 at the query given.

    Args:
        first: for every solver the query at which it jumps, one per problem; 0 for never.
    """
    rows, traces = [], {}
    for solver, queries in first.items():
        for number, query in enumerate(queries):
            for seed in (0, 1):
                problem = f"g/net{number % 4}/out/{number}"
                values = np.zeros(BUDGET)
                if query:
                    values[query - 1 :] = 1.0
                traces[problem, solver, seed] = values
                rows.append(
                    {
                        "problem": problem, "generator": "g", "target": f"net{number % 4}", "layer": "out",
                        "solver": solver, "seed": seed, "budget": BUDGET, "failed": False, "final": values[-1],
                        "chance": 0.0, "best": values[-1], "best_known": 1.0,
                    }
                )  # fmt: skip
    return pd.DataFrame(rows), traces


def test_a_third_of_the_queries_on_every_problem_is_a_ratio_of_a_third() -> None:
    base = [30, 60, 15, 90, 33, 75, 48, 27]
    table = trials_needed(*study({"base": base, "fast": [q // 3 for q in base]}), base="base")
    assert list(table["fraction"]) == [0.75, 0.9]
    row = table.iloc[0]
    assert row["ratio"] == pytest.approx(1 / 3)
    assert (row["low"], row["high"]) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert row["p_holm"] == pytest.approx(2 / 2**8)  # the least that eight problems can give
    assert row["p_half"] == pytest.approx(2 / 2**8)  # fewer than half, on every problem
    assert (row["fewer_on"], row["networks"], row["network_ratio"]) == (4, 4, pytest.approx(1 / 3))
    assert np.isnan(row["network_low"])  # four networks are too few for an interval of 95%


def test_a_solver_that_never_arrives_is_counted_in_its_own_favour() -> None:
    """Its runtime is longer than all its queries together, so the ratio may only be too small."""
    table = trials_needed(*study({"base": [20] * 8, "slow": [0] * 8}), base="base")
    assert (table["reached"] == 0).all()
    assert (table["reached_base"] == 1).all()
    assert table["ratio"].to_numpy() == pytest.approx(2 * BUDGET / 20)  # two runs of the whole budget, one success


def test_problems_that_neither_solves_say_nothing() -> None:
    table = trials_needed(*study({"base": [20, 0] * 4, "other": [10, 0] * 4}), base="base")
    assert (table["problems"] == 4).all()
    assert table["ratio"].to_numpy() == pytest.approx(0.5)
    assert (table["p_half"] == 1).all()  # exactly a half is not less than a half


def test_solvers_share_the_error_rate() -> None:
    base = [30, 60, 15, 90, 33, 75, 48, 27]
    alone = trials_needed(*study({"base": base, "a": [q // 3 for q in base]}), base="base")
    among = trials_needed(*study({"base": base, **{name: [q // 3 for q in base] for name in "abc"}}), base="base")
    assert among["p_holm"].max() == pytest.approx(3 * alone["p_holm"].max())


def test_only_seeds_that_both_have_are_compared() -> None:
    runs, traces = study({"base": [40] * 8, "other": [20] * 8})
    runs = runs[~((runs["solver"] == "other") & (runs["seed"] == 1))]
    late = {(p, s, seed): (np.zeros(BUDGET) if (s, seed) == ("base", 1) else v) for (p, s, seed), v in traces.items()}
    assert trials_needed(runs, late, base="base")["ratio"].to_numpy() == pytest.approx(0.5)


def test_solvers_of_other_classes_move_no_threshold() -> None:
    """Where a problem has no reference points, a white box that got farther made the black boxes miss theirs."""
    black = {"base": [40] * 8, "other": [20] * 8}
    runs, traces = study({**black, "slope": [5] * 9})
    traces = {cell: 10 * values if cell[1] == "slope" else values for cell, values in traces.items()}
    runs = runs.drop(columns=["chance", "best_known"])
    slope = runs["solver"] == "slope"
    runs = runs.assign(sees=np.where(slope, "gradients", "values"), final=runs["final"].where(~slope, 10.0))
    alone = trials_needed(runs[~slope], traces, base="base")
    among = trials_needed(runs, traces, base="base")
    pd.testing.assert_series_equal(
        among.loc[among["solver"] == "other", "ratio"].reset_index(drop=True), alone["ratio"].reset_index(drop=True)
    )
    assert among.loc[among["solver"] == "slope", "ratio"].to_numpy() == pytest.approx(5 / 40)


def test_on_a_network_with_a_ratio_of_1_neither_needs_fewer() -> None:
    """Rounding of logarithms once let each of the two need fewer than the other."""
    runs, traces = study({"a": [1, 2, 3, 5, 7, 14, 21, 35], "b": [7, 14, 21, 35, 1, 2, 3, 5]})
    for base in ("a", "b"):
        table = trials_needed(runs, traces, base)
        assert (table["fewer_on"] == 0).all()
        assert (table["network_ratio"] == 1).all()
