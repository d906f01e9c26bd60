"""Plans rest on unbiased variance components, and on the power of the test that is really used."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest

from amb.errors import AmbError
from amb.stats.pairs import compare_pairs
from amb.stats.planning import (
    Components,
    Design,
    components,
    corrected,
    median_variance,
    power_over_networks,
    power_over_problems,
    smallest,
)
from amb.stats.scores import blocks, median_scores
from amb.stats.signed_rank import least_rank_sum, signed_rank

KNOWN = Components(seed=0.04, problem=0.01, network=0.005)


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def simulated_runs(
    design: Design, parts: Components, means: list[float], generator: np.random.Generator
) -> pd.DataFrame:
    """Scored runs of solvers whose pairwise differences have these components and differ by these means."""
    solvers = len(means)
    shape = (design.networks, design.problems, solvers, design.seeds)
    level = generator.normal(0, 0.3, shape[:2])  # problems differ in difficulty, which is no difference of solvers
    truth = (
        level[:, :, None]
        + np.array(means)
        + generator.normal(0, np.sqrt(parts.network / 2), (design.networks, 1, solvers))
        + generator.normal(0, np.sqrt(parts.problem / 2), shape[:3])
    )
    scores = truth[..., None] + generator.normal(0, np.sqrt(parts.seed), shape)
    index = np.indices(shape).reshape(4, -1)
    names = [f"g/t{n}/l/{u}" for n, u in zip(index[0], index[1], strict=True)]
    table = pd.DataFrame({"problem": names, "generator": "g", "target": [f"t{n}" for n in index[0]], "layer": "l"})
    values = scores.ravel()
    return table.assign(
        unit=index[1].astype(str),
        solver=[f"s{k}" for k in index[2]],
        seed=index[3],
        failed=False,
        final=values,
        score=values,
        ordered=values,
    )


def test_known_components_are_recovered() -> None:
    design = Design(networks=12, problems=10, seeds=5)
    streams = rng().spawn(12)
    studies = [simulated_runs(design, KNOWN, [0.0, 0.1, 0.2, 0.0], stream) for stream in streams]
    found = [components(behind_two_generators(study)) for study in studies]
    assert np.mean([c.seed for c in found]) == pytest.approx(KNOWN.seed, rel=0.05)
    assert np.mean([c.problem for c in found]) == pytest.approx(KNOWN.problem, rel=0.15)
    assert np.mean([c.network for c in found]) == pytest.approx(KNOWN.network, rel=0.3)


def behind_two_generators(runs: pd.DataFrame) -> pd.DataFrame:
    """Every other problem behind a second generator, with which one of the solvers gets on much worse."""
    second = runs["unit"].astype(int) % 2 == 1
    scores = runs["score"] - 0.4 * (second & (runs["solver"] == "s1"))
    return runs.assign(generator=np.where(second, "h", "g"), score=scores, ordered=scores)


def test_components_that_are_not_there_are_zero_and_one_network_says_nothing_of_others() -> None:
    seeds_only = components(simulated_runs(Design(1, 60, 5), Components(0.04, 0.0, 0.0), [0.0, 0.0, 0.0], rng()))
    assert seeds_only.problem == pytest.approx(0, abs=0.004)
    assert np.isnan(seeds_only.network)


def test_a_study_without_repetitions_is_refused() -> None:
    with pytest.raises(AmbError, match="two seeds"):
        components(simulated_runs(Design(2, 5, 1), KNOWN, [0.0, 0.0], rng()))


def rejections(design: Design, parts: Components, difference: float, column: str, studies: int) -> Iterator[bool]:
    """Whether the project's own comparison finds the difference, in simulated studies of three solvers."""
    for stream in rng().spawn(studies):
        runs = simulated_runs(design, parts, [difference, 0.0, difference / 2], stream)
        medians = median_scores(runs)
        problems = medians.drop_duplicates("problem").set_index("problem")[["generator", "target", "layer"]]
        pairs = compare_pairs(blocks(medians), None, problems).set_index(["first", "second"])
        row = pairs.loc[("s0", "s1") if ("s0", "s1") in pairs.index else ("s1", "s0")]
        raw = {"p": row["p"], "p_networks": signed_rank(_means(medians))[0]}[column]
        yield bool(raw * 3 <= 0.05)


def _means(medians: pd.DataFrame) -> np.ndarray:
    wide = medians.pivot(index="problem", columns="solver", values="score")
    target = medians.drop_duplicates("problem").set_index("problem")["target"].loc[wide.index]
    return (wide["s0"] - wide["s1"]).groupby(target.to_numpy()).mean().to_numpy()


@pytest.mark.parametrize(
    ("design", "column"),
    [
        pytest.param(Design(1, 24, 5), "p", id="problems"),
        pytest.param(Design(10, 3, 3), "p_networks", id="networks", marks=pytest.mark.slow),
    ],
)
def test_predicted_power_is_how_often_the_comparison_finds_the_difference(design: Design, column: str) -> None:
    """The strictest step of Holm's correction, three solvers; 150 studies have a standard error of 0.04."""
    power = power_over_problems if column == "p" else power_over_networks
    difference = 0.12 if column == "p" else 0.16
    parts = Components(KNOWN.seed, KNOWN.problem, 0.0 if column == "p" else KNOWN.network)
    predicted = power(design, parts, difference, corrected(0.05, 3), rng())
    assert 0.3 < predicted < 0.95
    found = np.mean(list(rejections(design, parts, difference, column, studies=150)))
    assert found == pytest.approx(predicted, abs=0.12)


@pytest.mark.parametrize("alpha", [0.05, 0.05 / 3])
def test_without_a_difference_power_is_about_alpha(alpha: float) -> None:
    problems = power_over_problems(Design(1, 40, 5), KNOWN, 0.0, alpha, rng())
    networks = power_over_networks(Design(16, 3, 5), KNOWN, 0.0, alpha, rng())
    assert problems == pytest.approx(alpha, abs=0.015)
    assert networks == pytest.approx(alpha, abs=0.015)


def test_given_networks_that_disagree_cost_no_error_about_their_mean() -> None:
    assert power_over_problems(Design(4, 10, 5), KNOWN, 0.0, 0.05, rng()) <= 0.065


@pytest.mark.parametrize("power", [power_over_problems, power_over_networks])
def test_power_grows_with_problems_networks_seeds_and_difference(
    power: Callable[[Design, Components, float, float, np.random.Generator], float],
) -> None:
    designs = {
        "problems": [Design(8, n, 3) for n in (1, 3, 9)],
        "networks": [Design(n, 3, 3) for n in (6, 12, 24)],
        "seeds": [Design(8, 3, n) for n in (3, 5, 10)],
    }
    for name, sizes in designs.items():
        found = [power(size, KNOWN, 0.1, 0.05, rng()) for size in sizes]
        assert found == sorted(found), name
        assert found[0] < found[-1], name
    by_difference = [power(Design(8, 3, 3), KNOWN, d, 0.05, rng()) for d in (0.0, 0.05, 0.1, 0.2)]
    assert by_difference == sorted(by_difference)


def test_fewer_than_six_networks_have_no_power_about_others() -> None:
    assert power_over_networks(Design(5, 100, 10), KNOWN, 1.0, 0.05, rng()) == 0
    assert power_over_networks(Design(6, 100, 10), KNOWN, 1.0, 0.05, rng()) > 0.99


@pytest.mark.parametrize("n", [1, 5, 6, 9, 20])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_the_critical_sum_is_the_tests(n: int, alpha: float) -> None:
    """The exact test rejects at that sum of ranks and at no smaller one."""
    critical, total = least_rank_sum(n, alpha), n * (n + 1) // 2
    for positive in range((total + 1) // 2, total + 1):
        signs, rest = -np.ones(n), positive
        for rank in range(n, 0, -1):  # a set of ranks with this sum
            if rank <= rest:
                signs[rank - 1], rest = 1, rest - rank
        p = signed_rank(signs * np.arange(1, n + 1))[0]
        assert (p <= alpha) == (positive >= critical)


def test_the_smallest_size_is_the_first_that_is_enough() -> None:
    assert smallest(lambda n: n / 100, 0.8, 1) == 80
    assert smallest(lambda n: 0.5, 0.8, 1) is None


def test_medians_of_normal_numbers_vary_as_tables_say() -> None:
    """0.4487 and 0.2868 for three and five (David & Nagaraja, Order Statistics)."""
    assert median_variance(3) == pytest.approx(0.4487, rel=0.02)
    assert median_variance(5) == pytest.approx(0.2868, rel=0.02)
