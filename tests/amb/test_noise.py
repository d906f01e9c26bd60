from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interrupting import interrupt

from amb import FunctionProblem, Problem, Space
from amb.catalogue.noise import observed_with
from amb.contracts.noise import Noise, Queries
from amb.contracts.problem import Evaluation
from amb.contracts.reference import Reference
from amb.errors import SpecError
from amb.run.execute import execute
from amb.spec import without_noise
from amb.study.runs import RunPlan
from amb.study.study import Study

SPACE = Space.uniform(6, 16)
KINDS = [Noise("poisson", spikes=50), Noise("bernoulli", 3, spikes=20), Noise("gaussian", std=0.2)]


def rate(candidates: np.ndarray) -> np.ndarray:
    return candidates.mean(axis=1) / 15


class Counting(FunctionProblem):
    """A problem that counts 40 spikes at most, and all of whose units share their batches."""

    spikes = 40
    group = "counting"  # type: ignore[assignment]


def seen_through(options: dict[str, object], unit: int = 0) -> Problem:
    return observed_with(Counting(rate, SPACE, id=f"p/q/r/{unit}"), options)  # type: ignore[arg-type]


@pytest.mark.parametrize("noise", KINDS, ids=lambda noise: noise.kind)
@given(
    activations=st.lists(st.floats(0, 1), min_size=1, max_size=12),
    seed=st.integers(0, 2**64 - 1),
    first=st.integers(0, 10**6),
    cut=st.integers(0, 12),
)
def test_a_query_is_as_noisy_alone_as_in_any_batch(
    noise: Noise, activations: list[float], seed: int, first: int, cut: int
) -> None:
    """Only the number of the query within its run counts, not where batches begin and end."""
    clean, cut = np.array(activations), min(cut, len(activations))
    whole = noise.observe(clean, Queries(seed, first))
    parts = [noise.observe(clean[:cut], Queries(seed, first)), noise.observe(clean[cut:], Queries(seed, first + cut))]
    assert np.array_equal(whole, np.concatenate(parts))


@pytest.mark.parametrize("trials", [1, 9])
@pytest.mark.parametrize(
    ("noise", "variance"),
    [
        (Noise("poisson", spikes=25), 0.3 / 25),
        (Noise("bernoulli", spikes=25), 0.3 * 0.7 / 25),
        (Noise("gaussian", std=0.4), 0.16),
    ],
    ids=lambda case: getattr(case, "kind", ""),
)
def test_noise_has_the_stated_mean_and_variance(noise: Noise, variance: float, trials: int) -> None:
    told = replace(noise, trials=trials).observe(np.full(4_000, 0.3), Queries(3, 0))
    assert told.mean() == pytest.approx(0.3, abs=4 * (variance / trials / 4_000) ** 0.5)
    assert told.var() == pytest.approx(variance / trials, rel=0.15)


def test_spikes_are_whole_and_what_cannot_fire_stays_silent() -> None:
    told = Noise("poisson", spikes=7).observe(np.full(100, 0.5), Queries(0, 0)) * 7
    assert np.array_equal(told, np.rint(told))
    for noise in KINDS[:2]:
        assert not noise.observe(np.array([0.0, -0.5]), Queries(0, 0)).any()
    assert np.isnan(KINDS[0].observe(np.array([np.nan]), Queries(0, 0))).all()
    assert KINDS[1].observe(np.array([1.0, 1.5]), Queries(0, 0)).tolist() == [1, 1]


def test_noise_is_part_of_id_and_fingerprint_and_quiet_takes_it_away() -> None:
    plain, noisy = Counting(rate, SPACE, id="p/q/r/0[grid=quantile]"), {"noise": "poisson", "trials": 2}
    made = observed_with(plain, noisy)  # type: ignore[arg-type]
    assert made.id == "p/q/r/0[grid=quantile,noise=poisson,trials=2]"
    assert without_noise(made.id) == plain.id
    others = [
        observed_with(plain, {**noisy, **other}) for other in ({"trials": 3}, {"spikes": 41}, {"noise": "bernoulli"})
    ]  # type: ignore[dict-item]
    assert len({p.fingerprint for p in (plain, made, *others)}) == 5
    assert observed_with(plain, {}) is plain
    assert (plain.noise, made.noise) == (None, Noise("poisson", 2, 40))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"trials": 3}, "noise options without noise"),
        ({"noise": "pink"}, "poisson, bernoulli or gaussian"),
        ({"noise": "poisson", "sigma": 0.1}, "takes spikes and trials, not sigma"),
        ({"noise": "gaussian", "sigma": 0.1, "std": 0.1}, "not both"),
        ({"noise": "gaussian"}, "give the standard deviation itself"),
        ({"noise": "poisson", "trials": 0}, "trials must be"),
        ({"noise": "gaussian", "std": -1}, "from 0 to 1e9"),
        ({"noise": "poisson", "spikes": 2.5}, "needs spikes, an integer"),
    ],
)
def test_bad_noise_is_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        seen_through(options)


def test_a_problem_that_counts_no_spikes_says_so() -> None:
    with pytest.raises(SpecError, match="spikes=100"):
        observed_with(FunctionProblem(rate, SPACE, id="p/q/r/0"), {"noise": "poisson"})


def test_sigma_is_relative_to_chance_and_best(monkeypatch: pytest.MonkeyPatch) -> None:
    point = Reference("f", 0.25, 0.3, None, None, 0.75, (0,) * 6, "")
    monkeypatch.setattr("amb.catalogue.noise.stored_point", lambda problem_id, fingerprint: point)
    made = seen_through({"noise": "gaussian", "sigma": 0.5})
    assert made.noise == Noise("gaussian", std=0.25)


def test_evaluating_numbers_the_queries_of_an_object() -> None:
    candidates = SPACE.sample(6, np.random.default_rng(0))
    one, other = seen_through({"noise": "poisson"}), seen_through({"noise": "poisson"})
    told = one.evaluate(candidates)
    assert np.array_equal(told, np.concatenate([other.evaluate(candidates[:2]), other.evaluate(candidates[2:])]))
    assert not np.array_equal(told, one.evaluate(candidates))


def plans(budget: int = 60, units: int = 3) -> list[RunPlan]:
    return [
        RunPlan(f"p/q/r/{unit}", "print", solver, "1", seed, budget)
        for unit in range(units)
        for solver in ("climber[batch=7]", "random[draw=prior,k=5]", "climber")
        for seed in range(2)
    ]


def laboratory(spec: str) -> Problem:
    return seen_through({"noise": "poisson"}, int(spec.split("/")[-1]))


def contents(study: Study, wanted: Sequence[RunPlan]) -> list[tuple[object, ...]]:
    found = []
    for plan in wanted:
        record, trace = study.load(plan)  # type: ignore[misc]
        found.append((trace.candidates.tolist(), trace.values.tolist(), trace.clean.tolist(), record.final))
    return found


@pytest.fixture
def undisturbed(tmp_path: Path, toy: Path) -> list[tuple[object, ...]]:
    study = Study(tmp_path / "undisturbed")
    execute(plans(), study, laboratory)
    return contents(study, plans())


def test_the_journal_keeps_both_columns_and_scores_are_clean(tmp_path: Path, undisturbed: list[tuple]) -> None:
    for candidates, values, clean, final in undisturbed:
        assert clean == rate(np.array(candidates)).tolist()
        assert values != clean
        assert final in clean
    same = zip(undisturbed[0][1], undisturbed[1][1], strict=True)  # two seeds of one solver
    assert sum(a == b for a, b in same) < 20


def test_noise_is_the_same_alone_and_in_a_batch(tmp_path: Path, undisturbed: list[tuple]) -> None:
    alone = Study(tmp_path / "alone")
    for plan in plans():
        execute([plan], alone, laboratory)
    assert contents(alone, plans()) == undisturbed


@pytest.mark.parametrize("breaks_after", [1, 55, 300, 700])
def test_noise_is_the_same_after_a_resume(tmp_path: Path, undisturbed: list[tuple], breaks_after: int) -> None:
    asked = 0

    def breaking(candidates: np.ndarray) -> np.ndarray:
        nonlocal asked
        asked += len(candidates)
        if asked > breaks_after:
            interrupt()
        return rate(candidates)

    def fragile(spec: str) -> Problem:
        return observed_with(Counting(breaking, SPACE, id=spec), {"noise": "poisson"})

    study = Study(tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        execute(plans(), study, fragile)
    execute(plans(), study, laboratory)
    assert contents(study, plans()) == undisturbed


@pytest.mark.parametrize("first", [17, 32, 58])
def test_noise_is_the_same_when_a_budget_is_raised(tmp_path: Path, undisturbed: list[tuple], first: int) -> None:
    """A smaller budget cuts a batch, whose rest is asked later: its noise is that of its place in the run."""
    study = Study(tmp_path / "raised")
    execute(plans(budget=first), study, laboratory)
    execute(plans(), study, laboratory)
    assert contents(study, plans()) == undisturbed


def test_noise_is_the_same_when_a_batch_is_evaluated_one_by_one(tmp_path: Path, undisturbed: list[tuple]) -> None:
    class Crowded(Counting):
        @classmethod
        def evaluate_together(cls, problems: Sequence[Problem], batches: Sequence[np.ndarray]) -> Evaluation:
            if len(problems) > 1:
                raise RuntimeError("too many at once")
            return super().evaluate_together(problems, batches)

    study = Study(tmp_path / "crowded")
    execute(plans(), study, lambda spec: observed_with(Crowded(rate, SPACE, id=spec), {"noise": "poisson"}))
    assert contents(study, plans()) == undisturbed


def test_curves_are_drawn_without_noise(tmp_path: Path, toy: Path) -> None:
    """The best value observed under noise is the luckiest draw, and no result depends on it."""
    from amb import compare

    found = compare("random", "toy/bowl/near/0[noise=gaussian,std=2]", budget=30, seeds=1, study=tmp_path)
    ((_, told),) = found.traces.items()
    assert told.max() <= 1
    assert (found.runs["best"] == told.max()).all()
    assert (found.runs["final"] <= told.max()).all()
