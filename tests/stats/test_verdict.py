"""The verdict says what the data support, and no more."""

import numpy as np
import pandas as pd
import pytest

from amb.errors import AmbError
from amb.stats import Question, analyse
from amb.stats.equal import equal_seeds
from amb.stats.groups import letter, letters
from amb.stats.omnibus import omnibus
from amb.stats.pairs import compare_pairs, least_holm
from amb.stats.scores import score_runs
from amb.stats.verdict import headline

SEEDS = 3


def runs_of(study, *scores: np.ndarray, targets: int = 1):  # type: ignore[no-untyped-def]
    """Solvers a, b, ... with the same score in every seed; float[problems] each."""
    finals = np.stack(scores, axis=1)[:, :, None].repeat(SEEDS, axis=2)
    return study(finals, targets=targets)


def often_but_little() -> tuple[np.ndarray, np.ndarray]:
    """a wins on 16 of 30 problems by almost nothing, b on 14 by much."""
    place = np.arange(30)
    d = np.where(place < 16, (place + 1) * 1e-4, -0.1 - place * 1e-3)
    return 0.5 + np.maximum(d, 0), 0.5 + np.maximum(-d, 0)


def test_the_first_by_rank_may_be_the_worse_one(study) -> None:  # type: ignore[no-untyped-def]
    a, b = often_but_little()
    for others in ((), (np.full(30, 0.3),)):
        verdict = analyse(*runs_of(study, a, b, *others)).verdict
        assert verdict.startswith("No solver is best on the 30 problems run: a has the best mean rank")
        assert "but b is shown to be better" in verdict
    assert "a and c are worse than the control b" in analyse(*runs_of(study, a, b, a * 0 + 0.3), control="b").verdict


def test_a_pair_is_underpowered_only_if_no_outcome_could_have_been_shown(study) -> None:  # type: ignore[no-untyped-def]
    """Six wins of six come to 0.031 after two clear pairs; so five of six are no lack of power, only of evidence."""
    for wins, losses, differs in ((6, 0, True), (5, 1, False)):
        a, b = np.full(30, 0.8), np.full(30, 0.8)
        a[:wins] += 0.01 * np.arange(2, wins + 2)
        b[wins : wins + losses] += 0.01
        found = analyse(*runs_of(study, a, b, np.full(30, 0.3))).pairs.iloc[0]
        assert (found["first"], found["second"]) == ("a", "b")
        assert bool(found["differs"]) is differs
        assert found["note"] == ""
    assert least_holm(np.array([0.5, 0.001, 0.001]), np.array([0.03, 1e-3, 1e-4])) == pytest.approx([0.03, 0.003, 3e-4])


def test_ties_of_failed_runs_are_owed_to_failures(study) -> None:  # type: ignore[no-untyped-def]
    """Problems are not blamed for what nobody measured on them."""
    finals = np.full((9, 2, SEEDS), np.nan)
    finals[0, 0, 0] = 0.7
    found = analyse(*study(finals))
    assert found.verdict.startswith("All solvers tie on every problem, since 53 of 54 runs failed")
    assert headline(found.ranking, found.pairs) == "All solvers tie on every problem, since 53 of 54 runs failed."
    saturated = analyse(*study(np.ones((9, 2, SEEDS))))
    assert "these problems cannot tell them apart" in saturated.verdict


def test_nothing_is_called_best_while_its_interval_includes_zero(study) -> None:  # type: ignore[no-untyped-def]
    """24 ties and six wins: significant, but the typical difference is nothing."""
    a, b = np.full(30, 0.8), np.full(30, 0.8)
    a[:6] += 0.01 * np.arange(2, 8)
    verdict = analyse(*runs_of(study, a, b)).verdict
    assert "is best" not in verdict
    assert "the interval of its difference from b includes zero" in verdict


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_earn_no_claim(study, seeds: int) -> None:  # type: ignore[no-untyped-def]
    finals = np.stack([np.linspace(0.5, 0.9, 12), np.linspace(0.1, 0.2, 12)], axis=1)[:, :, None].repeat(seeds, axis=2)
    found = analyse(*study(finals))
    assert found.verdict.startswith(f"No claim is made with {seeds} seed")
    against = analyse(*study(finals), control="b").verdict
    assert against.startswith(f"No claim is made with {seeds} seed")
    assert " beats " not in against
    assert " beats " not in found.verdict
    assert ("one run per problem" if seeds == 1 else "fewer than three seeds") in found.basis.replace("With ", "")


def test_the_costs_of_the_first_two_are_compared_where_both_arrive(study) -> None:  # type: ignore[no-untyped-def]
    """Problem by problem: a pooled number hides that one method solves two thirds of them, and the other all."""
    a, b = np.linspace(0.7, 0.9, 12), np.linspace(0.69, 0.88, 12)
    b[:4] = 0.2
    verdict = analyse(*runs_of(study, a, b)).verdict
    assert "on 12 of 12 problems, b on 8" in verdict
    assert "and where both do, in 20 against 20 expected queries (medians over 8 problems)" in verdict


def test_all_failed_is_said(study) -> None:  # type: ignore[no-untyped-def]
    found = analyse(*study(np.full((4, 2, 3), np.nan)))
    assert found.verdict == "No verdict: all runs failed, so there is nothing to compare."


def test_one_problem_gives_no_p_value(study) -> None:  # type: ignore[no-untyped-def]
    found = analyse(*study(np.array([[[0.5, 0.6, 0.7], [0.1, 0.2, 0.3], [0.1, 0.2, 0.2]]])))
    assert found.pairs[["p", "p_holm"]].isna().all(axis=None)
    assert np.isnan(found.omnibus["p"].iloc[0])
    assert found.verdict.startswith("Underpowered")


# Only equal things are compared.


def test_unequal_budgets_are_refused(study) -> None:  # type: ignore[no-untyped-def]
    """+0.127 was shown where +0.070 is true: 10 queries of one solver against 120 of another."""
    runs, traces = runs_of(study, np.linspace(0.5, 0.9, 8), np.linspace(0.4, 0.8, 8))
    runs.loc[runs["solver"] == "b", "budget"] = 10
    with pytest.raises(AmbError, match=r"budgets from 10 to 20.*--budget 10"):
        analyse(runs, traces)


def test_surplus_seeds_are_left_out_and_counted(study) -> None:  # type: ignore[no-untyped-def]
    """Fifteen seeds against three: the three that both have are compared, whatever their order."""
    runs, traces = study(np.random.default_rng(0).random((8, 2, 15)))
    part = runs[(runs["solver"] == "a") | runs["seed"].isin([3, 7, 9])]
    found = analyse(part, traces)
    only = analyse(runs[runs["seed"].isin([3, 7, 9])], traces)
    pd.testing.assert_frame_equal(found.pairs, only.pairs)
    assert "96 runs of surplus seeds are left out" in found.basis
    assert "surplus" not in only.basis


def test_other_seeds_are_compared_if_they_are_as_many(study) -> None:  # type: ignore[no-untyped-def]
    runs, _ = study(np.random.default_rng(0).random((2, 2, 6)))
    apart = runs[(runs["solver"] == "a") == (runs["seed"] < 3)]
    assert len(equal_seeds(apart)) == len(apart)
    fewer = apart[(apart["solver"] == "a") | (apart["seed"] < 5)]
    assert equal_seeds(fewer).groupby("solver")["seed"].unique().map(list).to_dict() == {"a": [0, 1], "b": [3, 4]}


def test_one_solver_against_itself_with_unequal_seeds_does_not_differ(study) -> None:  # type: ignore[no-untyped-def]
    """Medians of two skewed runs are their means: 25% of such studies used to differ."""
    found = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        scores = np.clip(rng.random((40, 1, 1)) + 0.2 * rng.gumbel(size=(40, 2, 9)), 0, None)
        runs, traces = study(scores)
        few = runs[(runs["solver"] == "a") | (runs["seed"] < 3)]
        found += bool(analyse(few, traces, resamples=10).pairs["differs"].any())
    assert found <= 4  # binomial(20, 0.05): more than 4 once in 400


@pytest.mark.parametrize("metric", ["final", "anytime", "queries"])
def test_failures_rank_below_everything(study, metric: str) -> None:  # type: ignore[no-untyped-def]
    """Also where activations are negative, and where the failed run had climbed high before."""
    finals = np.random.default_rng(0).uniform(-3, -1, (6, 3, 2))
    finals[:, 0] = np.nan
    runs, traces = study(finals)
    for cell in traces:
        traces[cell] = traces[cell] - 4.0 * (traces[cell] == 0)
        if cell[1] == "a":
            traces[cell][-1] = 9.0
    scored = score_runs(runs, traces, metric=metric)
    worst = scored.groupby("problem")["ordered"].min()
    failed = scored[scored["failed"]].set_index("problem")["ordered"]
    assert (failed == worst.loc[failed.index]).all()
    best_failed, others = failed.groupby("problem").max(), scored[~scored["failed"]].groupby("problem")["ordered"].min()
    assert (best_failed < others).all()


# Networks.


def test_networks_that_disagree_are_said(study) -> None:  # type: ignore[no-untyped-def]
    """51 units where a is better, 12 of another network where b is: right about the units, silent about networks."""
    rng = np.random.default_rng(3)
    a = np.r_[np.full(51, 0.6), np.full(12, 0.4)][:, None] + rng.normal(0, 0.02, (63, SEEDS))
    b = np.full((63, SEEDS), 0.5) + rng.normal(0, 0.02, (63, SEEDS))
    runs, traces = study(np.stack([a, b], axis=1))
    network = np.where(runs["unit"].astype(int) < 51, "net0", "net1")
    found = analyse(runs.assign(target=network), traces)
    assert found.verdict.startswith("On the 63 problems run, a is best")
    assert "same direction on 1 of 2 networks, too few to speak of networks in general" in found.basis
    strict = analyse(runs.assign(target=network), traces, level="networks")
    assert strict.verdict.startswith("Underpowered, so no winner can be named: with 2 networks")
    behind = analyse(runs.assign(generator=network), traces)
    assert "same direction behind 1 of 2 generators" in behind.basis


@pytest.mark.parametrize(("agree", "shown"), [(8, True), (5, False)])
def test_eight_networks_are_tested(study, agree: int, shown: bool) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(1)
    gap = np.where(np.arange(8) < agree, 0.1, -0.2)[np.arange(64) % 8] + rng.normal(0, 0.01, 64)
    found = analyse(*runs_of(study, 0.5 + gap, np.full(64, 0.5), targets=8))
    assert ("is shown for networks in general" in found.basis) is shown
    assert f"same direction on {agree if shown else 8 - agree} of 8" in found.basis or not shown
    row = found.pairs.iloc[0]
    assert row["networks"] == 8
    assert np.isfinite(row[["p_networks", "network_low", "network_high"]].astype(float)).all()


def test_a_stricter_level_averages_within_layers(study) -> None:  # type: ignore[no-untyped-def]
    """Twelve units of three layers are three pieces of evidence, not twelve."""
    runs, traces = runs_of(study, np.linspace(0.6, 0.9, 12), np.full(12, 0.5))
    runs["layer"] = "layer" + (runs["unit"].astype(int) // 4).astype(str)
    assert analyse(runs, traces).pairs["units"].tolist() == [12]
    layers = analyse(runs, traces, level="layers")
    assert layers.pairs["units"].tolist() == [3]
    assert "over layers" in layers.basis
    assert "with 3 layers" in layers.verdict
    assert Question(level="layers").to_options() == ["--level", "layers"]


# Small things.


def test_friedmans_p_counts_ties_under_full_agreement() -> None:
    """Two of three solvers tied everywhere: three distinct orders, so four problems agree with probability 1/27."""
    blocks = pd.DataFrame([[0.9, 0.1, 0.1]] * 4, columns=list("abc"))
    assert omnibus(blocks)["p"].iloc[0] == pytest.approx(3.0**-3)
    assert omnibus(pd.DataFrame([[0.9, 0.2, 0.1]] * 4))["p"].iloc[0] == pytest.approx(6.0**-3)


def test_groups_have_names_however_many_there_are() -> None:
    names = [letter(i) for i in range(60)]
    assert len(set(names)) == 60
    assert names[0] == "a"
    assert names[51] == "Z"
    assert names[52] == "(53)"
    order = [f"s{i}" for i in range(60)]
    pairs = [(a, b, True) for i, a in enumerate(order) for b in order[i + 1 :]]
    shown = letters(order, pd.DataFrame(pairs, columns=["first", "second", "differs"]))
    assert len(set(shown.values())) == 60


def test_the_tie_break_at_saturation_decides_between_tied_runs_only() -> None:
    """A run that saturated early must not have a larger difference than one that saturated late."""
    plain = pd.DataFrame({"a": [1.0, 0.9, 1.0], "b": [0.9, 0.8, 1.0]})
    broken = plain + pd.DataFrame({"a": [9e-7, 0, 5e-7], "b": [0, 0, 1e-7]})
    row = compare_pairs(broken, plain).iloc[0]
    tied = compare_pairs(pd.DataFrame({"a": [0.1, 0.1, 1e-9], "b": [0.0, 0.0, 0.0]})).iloc[0]
    assert row["p"] == tied["p"]
    assert (row["wins"], row["ties"]) == (3, 0)
