"""A simulated trial has the effects that its parameters promise, and depends on its own keys only."""

import numpy as np
import pytest

from amb.contracts.noise import Queries
from amb.contracts.trial_effects import TrialEffects
from amb.errors import SpecError


def test_no_effects_by_default():
    effects, clean = TrialEffects(), np.array([0.0, 0.3, np.nan, 1.0])
    assert np.array_equal(effects.means(clean, Queries(1, 0), np.zeros(0)), clean, equal_nan=True)
    assert not effects.lost_trials(100, Queries(1, 0)).any()
    assert effects.memory == 0


def test_a_trial_is_the_same_alone_and_in_any_batch():
    effects = TrialEffects(drift=0.3, adaptation=0.8, burst=2.5, lost=0.2)
    clean = np.random.default_rng(0).random(60)

    def observe(start, stop):
        queries = Queries(99, start)
        means = effects.means(clean[start:stop], queries, clean[:start])
        return np.where(effects.lost_trials(stop - start, queries), np.nan, effects.counts(20 * means, queries))

    whole = observe(0, 60)
    parts = np.concatenate([observe(a, b) for a, b in [(0, 1), (1, 7), (7, 40), (40, 60)]])
    assert np.array_equal(whole, parts, equal_nan=True)
    assert 3 <= np.isnan(whole).sum() <= 24


def test_the_gain_drifts_slowly_around_its_median_of_one():
    effects = TrialEffects(drift=0.5, drift_trials=50)
    logs = np.array([np.log(effects.gains(np.arange(1000), seed=seed)) for seed in range(300)])
    assert abs(logs.std() - 0.5) < 0.02
    assert abs(logs.mean()) < 0.03
    at_distance = (logs[:, :-50] * logs[:, 50:]).mean() / (logs**2).mean()
    assert abs(at_distance - np.exp(-0.5)) < 0.05
    assert np.abs(np.diff(logs)).max() < 0.1


def test_a_strong_stimulus_suppresses_the_next_responses_until_it_is_forgotten():
    effects = TrialEffects(adaptation=1.0, adaptation_trials=3)
    rest = effects.suppression(np.full(40, 0.0), np.zeros(0))
    assert np.array_equal(rest, np.ones(40))
    after = effects.suppression(np.r_[1.0, np.zeros(30)], np.zeros(0))
    assert after[0] == 1
    assert after[1] < 0.8
    assert (np.diff(after[1:16]) > 0).all()
    assert after[20] == 1
    kept_up = effects.suppression(np.ones(40), np.zeros(0))
    assert kept_up[-1] == pytest.approx(0.5)


def test_bursts_keep_the_mean_count_and_raise_the_variance():
    queries = Queries(5, 0)
    for burst in (1.0, 3.0):
        counts = TrialEffects(burst=burst).counts(np.full(20_000, 12.0), queries)
        assert counts.mean() == pytest.approx(12, rel=0.02)
        assert counts.var() / counts.mean() == pytest.approx(2 * burst - 1, rel=0.06)


def test_spike_times_agree_with_the_count_and_begin_after_the_latency():
    effects, queries = TrialEffects(burst=2.0), Queries(8, 30)
    counts = effects.counts(np.full(50, 9.0), queries)
    for row, count in enumerate(counts):
        times = effects.spike_times(9.0, queries, row, latency=50, duration=200)
        assert len(times) == count
        assert (times >= 50).all()
        assert (np.diff(times) >= 0).all()


@pytest.mark.parametrize("wrong", [{"lost": 1.5}, {"burst": 0.5}, {"drift": -1}, {"adaptation_trials": True}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(SpecError, match=next(iter(wrong))):
        TrialEffects(**wrong)
