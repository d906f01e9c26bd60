"""The report's numbers are those that were put into simulated responses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from amb.lab import analysis
from amb.lab.experiment import Experiment, Search
from amb.lab.history import History
from amb.lab.journal import Ask, BlockPlanned, Presentation, Responses, Start

SEARCH = Search("cma", ("n",), "s")


def experiment(
    respond: Callable[[str, int, int], float | None], *, blocks: int = 12, candidates: int = 6, repeats: int = 2,
    references: int = 3,
) -> History:  # fmt: skip
    """A history of one search; `respond` takes the stimulus' name, its block and its trial."""
    settings = Experiment("toy", ("n",), 10_000, (SEARCH,))
    history = History()
    history.add(Start(settings, "", {"s": "1"}, {"s": 1000}, ""))
    number = 1
    for block in range(1, blocks + 1):
        names = [f"s-{i:04d}" for i in range((block - 1) * candidates + 1, block * candidates + 1)]
        order = [Presentation(name, "candidate") for name in names for _ in range(repeats)]
        order += [Presentation(f"ref-{i}", "reference") for i in range(references)]
        order += [Presentation("blank", "blank")]
        best = history.best(["n"])
        order += [Presentation(best, "best")] * 2 if best else []
        ask = Ask("s", (), candidates, tuple((i,) for i in range(candidates)))
        hashes = {f"ref-{i}": "" for i in range(references)}
        leaders = {"s": best} if best else {}
        history.add(BlockPlanned(block, number, (ask,), tuple(order), hashes, "", leaders))
        trials = range(number, number + len(order))
        values = tuple(respond(p.stimulus, block, n) for p, n in zip(order, trials, strict=True))
        history.add(Responses("", tuple(trials), ("n",) * len(order), values, ""))
        number += len(order)
    return history


def trials_of(*args: Any, **options: Any) -> pd.DataFrame:
    """The trials of such an experiment."""
    return analysis.trial_table(experiment(*args, **options))


def strength(name: str) -> float:
    """A number for each stimulus, standard normal over stimuli."""
    return float(np.random.default_rng([*name.encode()]).standard_normal())


def noise(trial: int, seed: int = 0) -> float:
    return float(np.random.default_rng([trial, seed]).standard_normal())


def test_signal_noise_and_ceiling_are_recovered() -> None:
    """Signal variance 4 and noise variance 1: an snr of 4, a ceiling for two repeats of sqrt(4 / 4.5)."""
    found = analysis.signal_and_noise(trials_of(lambda s, b, n: 10 + 2 * strength(s) + noise(n), blocks=60), "n")
    assert found["noise"] == pytest.approx(1, rel=0.15)
    assert found["signal"] == pytest.approx(4, rel=0.2)
    assert found["snr_low"] < 4 < found["snr_high"]
    assert found["ceiling"] == pytest.approx(np.sqrt(4 / 4.5), abs=0.02)


def test_drift_does_not_count_as_noise_and_is_reported() -> None:
    """The gain rises by 20% per 100 trials of the mean reference response; intervals hold in 95% of experiments."""
    covered = []
    for seed in range(40):
        history = experiment(
            lambda s, b, n, seed=seed: (10 + strength(s)) * (1 + 0.002 * n) + noise(n, seed), blocks=10
        )
        mean = np.mean([history.responses(f"ref-{i}", ["n"]).mean() for i in range(3)])
        slope, low, high = analysis.drift_trend(analysis.trial_table(history), "n")
        exact = np.mean([10 + strength(f"ref-{i}") for i in range(3)]) * 0.2 / mean
        covered.append(low <= exact <= high)
        assert abs(slope - exact) < 0.12
        assert analysis.signal_and_noise(analysis.trial_table(history), "n")["noise"] < 1.8
    assert np.mean(covered) >= 0.85


def test_without_drift_the_trend_covers_zero() -> None:
    outside = 0
    for seed in range(60):
        _, low, high = analysis.drift_trend(trials_of(lambda s, b, n, k=seed: 10 + noise(n, k), blocks=8), "n")
        outside += not low <= 0 <= high
    assert outside <= 8


@pytest.mark.parametrize(
    ("course", "expected"),
    [(lambda b: 5.0 * b, "improving"), (lambda b: 50.0 * min(b, 2), "stop")],
    ids=["improving", "plateau"],
)
def test_when_to_stop(course: Callable[[int], float], expected: str) -> None:
    histories = [experiment(lambda s, b, n, k=k: course(b) + strength(f"{s}/{k}") + noise(n, k)) for k in range(20)]
    assert [analysis.stopping(history, SEARCH)[0] for history in histories].count(expected) >= 18


def test_nothing_is_said_about_stopping_before_there_are_enough_blocks() -> None:
    state, reason = analysis.stopping(experiment(lambda s, b, n: 1.0, blocks=3), SEARCH)
    assert state == "early"
    assert "3 of at least 6 blocks" in reason


def test_evolution_separates_kinds_and_counts_stimuli() -> None:
    history = experiment(lambda s, b, n: {"s": 10.0 * b, "r": 5.0, "b": 0.0}[s[0]], blocks=4)
    table = analysis.evolution(history, SEARCH).set_index(["kind", "block"])
    assert table.loc["candidate", "mean"].tolist() == [10, 20, 30, 40]
    assert (table.loc["candidate", "count"] == 6).all()
    assert (table.loc["reference", "mean"] == 5).all()
    assert (table.loc["blank", "mean"] == 0).all()
    assert table.loc["best", "mean"].tolist() == [20, 30, 40]  # what drives it more in later blocks


def test_intervals_of_the_evolution_hold() -> None:
    """Over stimuli, in blocks of three of them."""
    inside = total = 0
    for seed in range(50):
        history = experiment(
            lambda s, b, n, k=seed: 20 + 2 * strength(f"{s}/{k}") + noise(n, k), blocks=5, candidates=3
        )
        rows = analysis.evolution(history, SEARCH)
        rows = rows[rows["kind"] == "candidate"]
        inside += int(((rows["low"] <= 20) & (rows["high"] >= 20)).sum())
        total += len(rows)
    assert 0.90 <= inside / total <= 0.99


def test_one_lucky_trial_does_not_win_over_a_proven_stimulus() -> None:
    def respond(stimulus: str, block: int, trial: int) -> float | None:
        if stimulus == "s-0002":
            return 30.0  # presented twice and again as the best
        if stimulus == "s-0009":
            return 38.0 if trial % 2 else None  # once
        return 10.0

    history = experiment(respond, blocks=2)
    valid = history.responses("s-0009", ["n"])
    assert len(valid) == 1
    assert valid.mean() > history.responses("s-0002", ["n"]).mean()
    assert history.best(["n"]) == "s-0002"


def test_the_advantage_counts_only_trials_after_the_choice() -> None:
    """A lucky first trial is not evidence: on tests after it was chosen, the stimulus is like the references."""
    history = experiment(lambda s, b, n: (40.0 if s == "s-0001" and b == 1 else 10.0) + 0.1 * noise(n), blocks=8)
    found = analysis.advantage(history, SEARCH)
    assert found["stimulus"] == "s-0001"
    assert abs(float(found["difference"])) < 0.5  # type: ignore[arg-type]


@pytest.mark.parametrize("start", [-2.0, -0.5, 0.0], ids=["negative", "about zero", "rising from silence"])
def test_a_rise_of_the_references_is_a_rise_whatever_the_zero_of_responses(start: float) -> None:
    """Differences from a baseline and z-scores have no percentages: their changes are in units of the response."""
    trials = trials_of(lambda s, b, n: start + 0.01 * (n - 1) * (s[0] == "r"), blocks=6)
    assert analysis.in_shares(trials, "n") == (start == 0)
    assert analysis.drift(trials, "n")["change"].is_monotonic_increasing
    mean = trials.loc[trials["kind"] == "reference", "n"].groupby(trials["stimulus"]).mean().mean()
    assert analysis.drift_trend(trials, "n")[0] == pytest.approx(1 / mean if start == 0 else 1)


def test_lost_trials_are_left_out_everywhere() -> None:
    history = experiment(lambda s, b, n: None if n % 3 == 0 else 10 + strength(s) + noise(n))
    whole = analysis.trial_table(history)
    assert whole["n"].isna().sum() == len(whole) // 3
    evolution = analysis.evolution(history, SEARCH)
    for table in (
        evolution[evolution["kind"].isin(["candidate", "reference"])],
        analysis.drift(analysis.trial_table(history), "n"),
    ):
        assert table[["low", "high"]].notna().all().all()
    assert np.isfinite(analysis.signal_and_noise(analysis.trial_table(history), "n")["snr"])


def test_an_experiment_without_any_response_has_no_numbers_and_no_errors() -> None:
    history = experiment(lambda s, b, n: None, blocks=2)
    assert analysis.evolution(history, SEARCH).empty
    assert analysis.drift(analysis.trial_table(history), "n").empty
    assert np.isnan(analysis.drift_trend(analysis.trial_table(history), "n")[0])
    assert np.isnan(analysis.signal_and_noise(analysis.trial_table(history), "n")["snr"])
    assert analysis.best_stimuli(history, ["n"])["stimulus"].tolist() == [None]
    assert analysis.stopping(history, SEARCH)[0] == "early"
    assert analysis.advantage(history, SEARCH)["reference"] is None


def test_a_neuron_without_noise_has_an_infinite_ratio_and_no_warning() -> None:
    """Intervals between infinities are infinite."""
    found = analysis.signal_and_noise(trials_of(lambda s, b, n: float(sum(map(ord, s)))), "n")
    assert found["snr"] == found["snr_low"] == found["snr_high"] == np.inf
