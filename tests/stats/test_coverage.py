"""What intervals claim to cover they cover, and claims about networks hold their error when networks disagree."""

import numpy as np
import pandas as pd
import pytest

from amb.stats.effects import hodges_lehmann, median_interval
from amb.stats.pairs import compare_pairs
from amb.stats.signed_rank import signed_rank, signed_rank_interval

DRAWS = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "heavy tails": lambda rng, n: rng.standard_t(3, n),
    "skewed": lambda rng, n: rng.gumbel(0, 1, n) - np.euler_gamma,
}


def pseudo_median(draw) -> float:  # type: ignore[no-untyped-def]
    """The truth that a Hodges-Lehmann estimate estimates: the median of the mean of two draws."""
    pairs = draw(np.random.default_rng(0), 400_000).reshape(2, -1)
    return float(np.median(pairs.mean(axis=0)))


def coverage(interval, draw, truth: float, n: int, studies: int, seed: int = 1) -> float:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    ends = np.array([interval(draw(rng, n)) for _ in range(studies)])
    return float(((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean())


def check_coverage(studies: int, slack: float) -> dict[tuple[str, int, str], float]:
    """Coverage of both intervals for three distributions and four numbers of problems; nominally 95%."""
    found = {}
    for name, draw in DRAWS.items():
        truths = pseudo_median(draw), float(np.median(draw(np.random.default_rng(0), 400_000)))
        for n in (6, 12, 30, 63):
            for kind, interval, truth in (
                ("difference", signed_rank_interval, truths[0]),
                ("median", median_interval, truths[1]),
            ):
                found[name, n, kind] = coverage(interval, draw, truth, n, studies)
                assert 0.93 - slack <= found[name, n, kind] <= 0.97 + slack, (name, n, kind)
    return found


def test_intervals_cover_the_truth() -> None:
    """300 studies of each kind: a standard error of 1.3 points, so three of them are allowed."""
    check_coverage(300, 0.038)


@pytest.mark.slow
def test_intervals_cover_the_truth_in_the_long_run() -> None:
    """The table in docs/notes/statistics.md: 20,000 studies of each kind, 93 to 97%."""
    for (name, n, kind), share in check_coverage(20_000, 0.005).items():
        print(f"{name:12} {n:3} {kind:10} {share:.3f}")


def test_few_values_have_no_interval() -> None:
    """Five values cannot give 95%: nothing is shown instead of something too narrow."""
    for n in range(6):
        assert np.isnan([*signed_rank_interval(np.arange(n) + 1.0), *median_interval(np.arange(n) + 1.0)]).all()


def test_the_interval_excludes_zero_if_and_only_if_the_test_rejects() -> None:
    rng = np.random.default_rng(2)
    for _ in range(300):
        differences = rng.normal(0.3, 1, int(rng.integers(6, 40)))
        low, high = signed_rank_interval(differences)
        assert (low > 0 or high < 0) == (signed_rank(differences)[0] <= 0.05)
        assert low <= hodges_lehmann(differences) <= high


def networks_that_disagree(
    rng: np.random.Generator, networks: int, effect: float, by: str = "target"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of two solvers that are equal on average over networks, or layers, but not on each one.

    Args:
        effect: standard deviation of the solver x network effect; that of the units is 0.5.
        by: "target" or "layer", what the effect belongs to.
    """
    units = 48 // networks
    group = np.repeat(np.arange(networks), units)
    difference = effect * rng.normal(size=networks)[group] + 0.5 * rng.normal(size=len(group))
    scores = pd.DataFrame({"a": difference, "b": 0.0})
    problems = pd.DataFrame({"generator": "g", "target": "t", "layer": "l"}, index=scores.index)
    problems[by] = group.astype(str)
    return scores, problems


def false_claims(level: str, networks: int, effect: float, studies: int, by: str = "target") -> float:
    """Share of studies with a difference in general where there is none."""
    rng = np.random.default_rng(7)
    tables = (networks_that_disagree(rng, networks, effect, by) for _ in range(studies))
    return float(np.mean([compare_pairs(s, s, problems, level=level)["differs"].any() for s, problems in tables]))


@pytest.mark.parametrize("effect", [0.3, 0.75])
def test_claims_about_networks_hold_their_error(effect: float) -> None:
    """Tests over problems are right about these problems only; over network means they are right about networks."""
    assert false_claims("problems", 8, effect, 60) > 0.15
    assert false_claims("networks", 8, effect, 200) <= 0.09


def test_claims_about_layers_hold_their_error() -> None:
    assert false_claims("problems", 12, 0.75, 60, by="layer") > 0.15
    assert false_claims("layers", 12, 0.75, 200, by="layer") <= 0.09


@pytest.mark.slow
@pytest.mark.parametrize("level", ["problems", "networks", "layers"])
@pytest.mark.parametrize("effect", [0.0, 0.15, 0.3, 0.375, 0.75])
def test_claims_hold_their_error_in_the_long_run(level: str, effect: float) -> None:
    """The table in docs/notes/statistics.md: 5,000 studies each of 8 networks, or of 12 layers of one."""
    by, groups = ("layer", 12) if level == "layers" else ("target", 8)
    share = false_claims(level, groups, effect, 5_000, by)
    print(f"{level:10} {effect:.2f} {share:.3f}")
    assert share <= 0.06 or (level == "problems" and effect > 0)
