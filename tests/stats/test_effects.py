import numpy as np
import pandas as pd
import pytest

from amb.stats.bayes import signed_rank_posterior
from amb.stats.effects import a12, hodges_lehmann, score_intervals
from amb.stats.panel import make_panel, resample
from amb.stats.scores import score_runs


def test_hodges_lehmann_is_the_median_of_walsh_averages() -> None:
    """By hand: of 1, 2, 6 the averages are 1, 1.5, 2, 3.5, 4, 6."""
    assert hodges_lehmann(np.array([1.0, 2.0, 6.0])) == pytest.approx(2.75)


def test_a12_counts_ties_as_half() -> None:
    """By hand, of four couples: two wins, a tie, a loss."""
    assert a12(np.array([1.0, 3.0]), np.array([1.0, 0.0])) == pytest.approx(3.5 / 4)
    assert a12(np.array([1.0]), np.array([2.0, 3.0])) == 0.0


def test_the_bootstrap_resamples_whole_clusters(study) -> None:  # type: ignore[no-untyped-def]
    """Two networks that differ much and agree within: a replicate has 0, 1 or 2 parts of each, in halves."""
    finals = np.where(np.arange(8)[:, None, None] % 2 == 0, 0.2, 0.8) * np.ones((8, 1, 3))
    panel = make_panel(score_runs(*study(finals, targets=2)), ["a"])
    assert panel.cluster_count == 2
    shares = {float((m == 0.2).mean()) for m in resample(panel, resamples=50, rng=np.random.default_rng(0))}
    assert shares == {0.0, 0.5, 1.0}


def test_clusters_widen_the_interval(study) -> None:  # type: ignore[no-untyped-def]
    """The same numbers from 4 networks or from 20: fewer clusters, a wider interval, rightly."""
    rng = np.random.default_rng(1)
    network = np.repeat(rng.uniform(0.2, 0.8, 4), 5)
    finals = (network + rng.normal(0, 0.01, 20))[:, None, None] * np.ones((20, 1, 2))
    runs, traces = study(finals)
    widths = []
    for count in (4, 20):
        target = [f"net{int(p.rsplit('/', 1)[1]) * count // 20}" for p in runs["problem"]]
        panel = make_panel(score_runs(runs.assign(target=target), traces), ["a"])
        row = score_intervals(panel, resamples=500, rng=np.random.default_rng(2)).iloc[0]
        assert row["clusters"] == count
        widths.append(row["high"] - row["low"])
    assert widths[0] > 1.2 * widths[1]


def test_the_interval_covers_the_truth_of_a_plain_sample() -> None:
    """One solver, 40 independent problems: about 95 of 100 intervals hold the true median."""
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(100):
        scores = rng.normal(0.5, 0.1, 40)
        names = [f"p{i}" for i in range(40)]
        table = pd.DataFrame({"problem": names, "generator": names, "target": "t", "solver": "a", "seed": 0})
        row = score_intervals(make_panel(table.assign(score=scores), ["a"]), resamples=150, rng=rng).iloc[0]
        covered += row["low"] <= 0.5 <= row["high"]
    assert 0.86 <= covered / 100 <= 1.0


def test_unequal_numbers_of_runs_are_resampled_as_they_are(study) -> None:  # type: ignore[no-untyped-def]
    """A missing seed pads nothing: every replicate's median is one of the values that there are."""
    runs, traces = study(np.array([[[0.2, 0.4, 0.6], [0.1, 0.1, 0.1]]]))
    runs = runs[~((runs["solver"] == "a") & (runs["seed"] > 0))]
    panel = make_panel(score_runs(runs, traces), ["a", "b"])
    for medians in resample(panel, resamples=20, rng=np.random.default_rng(0)):
        np.testing.assert_allclose(medians, [[0.2, 0.1]])


def test_posterior_of_clear_and_of_equal_cases() -> None:
    """Large differences: better almost surely; none: practically equal; probabilities add up to 1."""
    rng = np.random.default_rng(0)
    assert signed_rank_posterior(np.full(12, 0.2), rope=0.01, rng=rng)[0] > 0.99
    assert signed_rank_posterior(np.full(12, 0.001), rope=0.01, rng=rng)[1] > 0.99
    mixed = signed_rank_posterior(rng.normal(0, 0.1, 12), rope=0.01, rng=rng)
    assert sum(mixed) == pytest.approx(1.0)
    flipped = signed_rank_posterior(-np.full(12, 0.2), rope=0.01, rng=rng)
    assert flipped[2] > 0.99
