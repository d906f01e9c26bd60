"""What sharing saves, by hand and by simulation."""

import numpy as np
import pandas as pd
import pytest

from amb.stats.sharing import SEPARATE, as_presentations, gains, paired_ratio, savings


def rows(finals: dict[tuple[str, str], float], budget: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"searches": way, "problem": p, "solver": "s", "seed": 0, "budget": budget, "final": v, "best": v}
        | {"chance": 0.0, "best_known": 1.0, "normalized": v, "failed": np.isnan(v)}
        for (way, p), v in finals.items()
    )


def test_a_separate_search_has_one_presentation_in_as_many_as_there_are_neurons() -> None:
    np.testing.assert_array_equal(as_presentations(np.array([1.0, 2.0]), 3), [np.nan, np.nan, 1, np.nan, np.nan, 2])


def test_savings_by_hand() -> None:
    """Two neurons of which separate searches bring one to 75%, and a recording both, in fewer presentations."""
    runs = rows({(SEPARATE, "a"): 0.8, (SEPARATE, "b"): 0.5, ("all", "a"): 0.8, ("all", "b"): 0.8}, budget=4)
    curves = {
        SEPARATE: {("a", "s", 0): as_presentations(np.array([0.1, 0.8]), 2),
                   ("b", "s", 0): as_presentations(np.array([0.1, 0.5]), 2)},
        "all": {("a", "s", 0): np.array([0.1, 0.8, 0.2, 0.1]), ("b", "s", 0): np.array([0.1, 0.1, 0.8, 0.1])},
    }  # fmt: skip
    table = savings(runs, curves, fractions=(0.75, 0.9)).set_index(["searches", "fraction"])
    assert table.loc[(SEPARATE, 0.75), "presentations"] == 8  # 4 until it arrived, 4 spent in vain
    assert table.loc[("all", 0.75), "presentations"] == 2.5
    assert table.loc[("all", 0.75), "saving"] == pytest.approx(3.2)
    assert table.loc[("all", 0.75), "reached"] == 1
    assert np.isinf(table.loc[("all", 0.9), "presentations"])
    assert np.isnan(table.loc[("all", 0.9), "saving"])


def test_gains_are_paired_over_neurons() -> None:
    """Neurons differ much, the gain does not: its interval is narrow."""
    starts = np.linspace(0, 0.6, 8)
    finals = {(SEPARATE, str(i)): start for i, start in enumerate(starts)}
    finals |= {("all", str(i)): start + 0.2 + 0.001 * i for i, start in enumerate(starts)}
    gain = gains(rows(finals, 4)).set_index("searches").loc["all"]
    assert 0.2 <= gain["low"] <= gain["gain"] <= gain["high"] <= 0.21


def test_a_failed_run_counts_as_chance_as_in_a_ranking() -> None:
    """A solver that crashed on hard neurons had a higher mean than one that finished."""
    finals = {(SEPARATE, "easy"): 0.8, (SEPARATE, "hard"): np.nan, ("all", "easy"): 0.8, ("all", "hard"): 0.4}
    table = gains(rows(finals, 4)).set_index("searches")
    assert table["closed"].to_dict() == {SEPARATE: 0.4, "all": pytest.approx(0.6)}
    assert table["neurons"].tolist() == [2, 2]
    assert table.loc["all", "gain"] == pytest.approx(0.2)
    unknown = rows(finals, 4).assign(best_known=np.nan, normalized=np.nan)
    assert gains(unknown)["neurons"].tolist() == [0, 0]  # no scale on which it could count


def test_the_interval_of_a_saving_covers_it() -> None:
    """Costs of 12 neurons that correlate between the two ways; the true ratio is covered in about 95% of studies."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        difficulty = rng.lognormal(0, 0.7, 12)
        first, second = (cost * difficulty * rng.lognormal(0, 0.3, 12) for cost in (300, 100))
        _, low, high = paired_ratio(first, np.full(12, 3.0), second, np.full(12, 3.0))
        covered += low <= 3 <= high
    assert 920 <= covered <= 970
