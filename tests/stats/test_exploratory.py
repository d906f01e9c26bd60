"""Per-problem tests: what they report, and how often they report what is not there."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu
from statsmodels.stats.multitest import multipletests

from amb.stats.exploratory import problem_tests


def scored(values: dict[tuple[str, str], list[float]]) -> pd.DataFrame:
    rows = [(p, s, seed, v) for (p, s), runs in values.items() for seed, v in enumerate(runs)]
    return pd.DataFrame(rows, columns=["problem", "solver", "seed", "ordered"])


def test_rows_are_mann_whitney_with_benjamini_hochberg() -> None:
    """The same p as scipy's, the same q as statsmodels'."""
    rng = np.random.default_rng(3)
    values = {(f"p{i}", s): rng.normal(shift, 1, 7).tolist() for i in range(5) for s, shift in (("a", 0), ("b", i))}
    table = problem_tests(scored(values))
    expected = [mannwhitneyu(values[f"p{i}", "a"], values[f"p{i}", "b"]) for i in range(5)]
    assert table["p"].tolist() == pytest.approx([e.pvalue for e in expected])
    assert table["a12"].tolist() == pytest.approx([e.statistic / 49 for e in expected])
    assert table["q"].tolist() == pytest.approx(multipletests(table["p"], method="fdr_bh")[1].tolist())
    assert table["method"].str.startswith("exploratory").all()


def test_pairs_that_are_tested_together_have_the_p_values_of_pairs_tested_alone() -> None:
    """Bit for bit, for few and many runs, unequal numbers of them, and ties."""
    rng = np.random.default_rng(0)
    values = {
        (f"p{n}.{digits}", solver): np.round(rng.normal(number / 3, 1, n + (number == 2)), digits).tolist()
        for n in (2, 3, 8, 9, 20)
        for digits in (0, 1, 9)
        for number, solver in enumerate("abcde")
    }
    for row in problem_tests(scored(values)).itertuples():
        a, b = values[row.problem, row.first], values[row.problem, row.second]
        if np.ptp([*a, *b]) > 0:
            alone = mannwhitneyu(a, b)
            assert (row.a12, row.p) == (alone.statistic / (len(a) * len(b)), alone.pvalue)


def test_equal_runs_and_single_runs_find_nothing() -> None:
    """All tied is p 1; one run has no spread and no row; with a control, each pair ends in it."""
    table = problem_tests(scored({("p", "a"): [1.0] * 4, ("p", "b"): [1.0] * 4, ("p", "c"): [0.5]}))
    assert table[["first", "second", "p", "a12"]].values.tolist() == [["a", "b", 1.0, 0.5]]
    against = problem_tests(scored({("p", s): [1.0, float(i)] for i, s in enumerate("abc")}), control="b")
    assert against[["first", "second"]].values.tolist() == [["a", "b"], ["c", "b"]]


def test_under_the_null_few_tables_report_anything() -> None:
    """False discoveries: with nothing to find, any q below 0.05 is false, in at most about 5% of the tables."""
    rng = np.random.default_rng(5)
    false = 0
    for _ in range(80):
        values = {(f"p{i}", s): rng.normal(size=6).tolist() for i in range(6) for s in "abc"}
        false += bool((problem_tests(scored(values))["q"] <= 0.05).any())
    assert false / 80 <= 0.125
