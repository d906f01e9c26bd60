"""Recording conditions as options of a problem: what a solver observes depends on its run alone, and scores do not."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interrupting import interrupt

from amb import FunctionProblem, Problem, Space
from amb.catalogue.noise import observed_with
from amb.contracts.conditions import Conditions
from amb.contracts.noise import Noise, Queries
from amb.contracts.reference import Reference
from amb.contracts.trial_effects import TrialEffects
from amb.errors import SpecError
from amb.run.execute import execute
from amb.spec import without_noise
from amb.study.runs import RunPlan
from amb.study.study import Study

SPACE = Space.uniform(6, 16)
ALL: dict[str, object] = {
    "noise": "poisson",
    "spikes": 30,
    "trials": 2,
    "drift": 0.4,
    "drift_trials": 20,
    "adaptation": 0.8,
    "adaptation_trials": 4.0,
    "strong": 0.9,
    "burst": 1.5,
    "lost": 0.2,
    "references": 5,
}


def rate(candidates: np.ndarray) -> np.ndarray:
    return candidates.mean(axis=1) / 15


class Neuron(FunctionProblem):
    """All units share their batches."""

    spikes = 40
    group = "neurons"  # type: ignore[assignment]


def recorded(spec: str = "p/q/r/0", function=rate, **options: object) -> Problem:
    return observed_with(Neuron(function, SPACE, id=spec), options)  # type: ignore[arg-type]


def conditions(**options: object) -> Conditions:
    made = recorded(**{"strong": 1.0, **options}).conditions
    assert made is not None
    return made


@given(
    clean=st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), min_size=1, max_size=30),
    seed=st.integers(0, 2**64 - 1),
    cuts=st.lists(st.integers(0, 30), max_size=3),
)
@settings(max_examples=40)
def test_a_query_is_observed_alike_alone_and_in_any_batch(clean: list[float], seed: int, cuts: list[int]) -> None:
    """Bit for bit, with every effect at once."""
    problem, values = recorded(**ALL), np.array(clean)
    assert problem.conditions is not None

    def observe(start: int, stop: int) -> np.ndarray:
        queries = Queries(seed, start, values[:start])
        return problem.conditions.observe(values[start:stop], values[start:stop], queries, problem.noise)

    edges = [0, *sorted(min(cut, len(values)) for cut in cuts), len(values)]
    parts = [observe(a, b) for a, b in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(parts), observe(0, len(values)))


def test_conditions_are_part_of_id_and_fingerprint() -> None:
    made = recorded(**ALL)
    assert made.id.startswith("p/q/r/0[adaptation=0.8,")
    assert without_noise(made.id) == "p/q/r/0"
    prints = {
        recorded(**{**ALL, **change}).fingerprint
        for change in ({}, {"drift": 0.5}, {"lost": 0.3}, {"references": 6}, {"strong": 1.0}, {"trials": 1})
    }
    assert len(prints) == 6
    assert (recorded().noise, recorded().conditions) == (None, None)
    assert recorded(drift=0.2).noise is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"drift": "much"}, "drift must be a number"),
        ({"lost": 1.5}, "lost must be a number from 0 to 1"),
        ({"adaptation": 0.5}, "give an activation that counts as strong"),
        ({"references": 5}, "give an activation that counts as strong"),
        ({"references": 2.5, "strong": 1}, "references must be an integer"),
        ({"burst": 2}, "burst needs noise=poisson"),
        ({"burst": 2, "noise": "gaussian", "std": 0.1}, "burst needs noise=poisson"),
        ({"drift": 0.1, "trials": 3}, "noise options without noise"),
    ],
)
def test_bad_conditions_are_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        recorded(**options)


def test_adaptation_is_stated_on_the_best_known_value(monkeypatch: pytest.MonkeyPatch) -> None:
    point = Reference("f", 0.25, 0.3, None, None, 0.75, (0,) * 6, "")
    monkeypatch.setattr("amb.catalogue.noise.stored_point", lambda problem_id, fingerprint: point)
    made = recorded(adaptation=1).conditions
    assert made is not None
    assert made.effects.strong == 0.75


def test_drift_multiplies_and_adaptation_divides() -> None:
    """Without noise a value is activation x gain x suppression, of the run's seed and history."""
    made, clean = conditions(drift=0.3, drift_trials=10, adaptation=1.0), np.linspace(0.1, 1, 40)
    seen = made.observe(clean, clean, Queries(7, 0), None)
    expected = clean * made.effects.gains(np.arange(40), seed=7) * made.effects.suppression(clean, np.zeros(0))
    np.testing.assert_array_equal(seen, expected)
    assert seen[0] == clean[0] * made.effects.gains([0], seed=7)[0]


def test_a_query_is_lost_only_if_all_its_repeats_are() -> None:
    clean = np.full(3000, 0.5)
    for trials in (1, 3):
        made = recorded(noise="gaussian", std=0.1, trials=trials, lost=0.4)
        assert made.conditions is not None
        seen = made.conditions.observe(clean, clean, Queries(3, 0), made.noise)
        assert np.isnan(seen).mean() == pytest.approx(0.4**trials, abs=0.03)
        if trials == 3:  # fewer trials remain than were shown, so the mean is noisier than that of three
            assert np.nanstd(seen) > 1.1 * 0.1 / 3**0.5


def test_the_drift_goes_on_with_every_repeat_and_reference() -> None:
    clean = np.ones(20)
    once, noise = conditions(drift=0.5, drift_trials=30), Noise("gaussian", 4, std=0.0)
    np.testing.assert_allclose(
        once.observe(clean, clean, Queries(1, 0), noise), once.effects.gains(4 * np.arange(20), seed=1)
    )
    made = conditions(drift=0.5, drift_trials=30, references=5)
    assert list(made._first_trial(np.arange(11), 1)) == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 13]


def test_references_remove_most_of_a_slow_drift() -> None:
    """A stimulus that is shown again and again varies with the drift; the reference images tell how."""
    clean, made = np.full(1000, 0.5), {}
    for references in (0, 10):
        noisy = {"noise": "poisson", "spikes": 5000, "drift": 0.4, "drift_trials": 400, "strong": 1.0}
        made[references] = recorded(**noisy, references=references)
    spread = {
        references: np.mean(
            [
                np.std(problem.conditions.observe(clean, clean, Queries(seed, 0), problem.noise))  # type: ignore[union-attr]
                for seed in range(10)
            ]
        )
        for references, problem in made.items()
    }
    assert spread[10] < spread[0] / 3


def test_bursts_keep_the_mean_and_raise_the_variance() -> None:
    clean = np.full(5000, 0.4)
    seen = {}
    for burst in (1, 3):
        made = recorded(noise="poisson", spikes=50, burst=burst)
        assert made.conditions is not None
        seen[burst] = made.conditions.observe(clean, clean, Queries(2, 0), made.noise) * 50
        assert seen[burst].mean() == pytest.approx(20, rel=0.03)
    assert seen[3].var() / seen[1].var() == pytest.approx(5, rel=0.15)


def test_evaluating_by_hand_remembers_what_was_shown() -> None:
    candidates = SPACE.sample(12, np.random.default_rng(0))
    one, other = recorded(**ALL), recorded(**ALL)
    seen = one.evaluate(candidates)
    np.testing.assert_array_equal(
        seen, np.concatenate([other.evaluate(candidates[:5]), other.evaluate(candidates[5:])])
    )


def plans(budget: int = 60, units: int = 2) -> list[RunPlan]:
    return [
        RunPlan(f"p/q/r/{unit}", "print", solver, "1", seed, budget)
        for unit in range(units)
        for solver in ("climber[batch=7]", "random[draw=prior,k=5]")
        for seed in range(2)
    ]


def laboratory(spec: str) -> Problem:
    return recorded(spec, **ALL)


def contents(study: Study, wanted: Sequence[RunPlan]) -> list[str]:
    found = []
    for plan in wanted:
        record, trace = study.load(plan)  # type: ignore[misc]
        found.append(repr((trace.candidates.tolist(), trace.values.tolist(), trace.clean.tolist(), record.final)))
    return found


@pytest.fixture
def undisturbed(tmp_path: Path, toy: Path) -> list[str]:
    study = Study(tmp_path / "undisturbed")
    execute(plans(), study, laboratory)
    return contents(study, plans())


def test_scores_are_free_of_effects(tmp_path: Path, undisturbed: list[str]) -> None:
    lost = 0
    for plan in plans():
        record, trace = Study(tmp_path / "undisturbed").load(plan)  # type: ignore[misc]
        np.testing.assert_array_equal(trace.clean, rate(trace.candidates))
        assert record.final == rate(np.array([record.recommended]))[0]
        lost += int(np.isnan(trace.values).sum())
    assert lost


def test_effects_are_the_same_alone_and_in_lockstep(tmp_path: Path, undisturbed: list[str]) -> None:
    alone = Study(tmp_path / "alone")
    for plan in plans():
        execute([plan], alone, laboratory)
    assert contents(alone, plans()) == undisturbed


@pytest.mark.parametrize("breaks_after", [1, 55, 150, 400])
def test_effects_are_the_same_after_a_resume(tmp_path: Path, undisturbed: list[str], breaks_after: int) -> None:
    """The journal's noise-free values are the history that adapts the neuron."""
    asked = 0

    def breaking(candidates: np.ndarray) -> np.ndarray:
        nonlocal asked
        asked += len(candidates)
        if asked > breaks_after:
            interrupt()
        return rate(candidates)

    study = Study(tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        execute(plans(), study, lambda spec: recorded(spec, breaking, **ALL))
    execute(plans(), study, laboratory)
    assert contents(study, plans()) == undisturbed


@pytest.mark.parametrize("first", [17, 32, 58])
def test_effects_are_the_same_when_a_budget_is_raised(tmp_path: Path, undisturbed: list[str], first: int) -> None:
    """A smaller budget cuts a batch; the rest of it is adapted by its head."""
    study = Study(tmp_path / "raised")
    execute(plans(budget=first), study, laboratory)
    execute(plans(), study, laboratory)
    assert contents(study, plans()) == undisturbed


def test_the_command_line_shows_the_conditions(toy: Path) -> None:
    made = TrialEffects(drift=0.3, lost=0.1)
    assert str(Conditions(made, 10)) == (
        "drift of the log gain 0.3 over 100 trials; 10% of trials lost; a reference before every 10 queries"
    )
    assert str(Conditions(TrialEffects(lost=0.004), 0)) == "0.4% of trials lost"
