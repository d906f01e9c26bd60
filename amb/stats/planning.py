"""How large must a study be? Variance components of differences between solvers, and the power of the tests."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from amb.errors import AmbError
from amb.stats.levels import LEAST_NETWORKS
from amb.stats.scores import blocks, median_scores
from amb.stats.signed_rank import least_rank_sum
from amb.text import plural

REPLICATES = 2000
"""Simulated studies behind a power, whose standard error is then at most 0.011."""

MOST = 400
"""No larger number of problems or networks is tried."""


@dataclass(frozen=True)
class Components:
    """Variances of which that of a difference between two solvers on a problem is made.

    Attributes:
        seed: of one run's score, between seeds of one solver on one problem.
        problem: of the true difference of two solvers, between problems of one network.
        network: of the mean difference, between networks (solver × network); NaN if there was one network only.
    """

    seed: float
    problem: float
    network: float

    def of_problem(self, seeds: int) -> float:
        """Variance, within a network, of the difference between two medians over this number of seeds."""
        return self.problem + 2 * self.seed * median_variance(seeds)


@dataclass(frozen=True)
class Design:
    """The size of a study.

    Attributes:
        networks: target networks.
        problems: problems on each network.
        seeds: runs of each solver on each problem.
    """

    networks: int
    problems: int
    seeds: int


def components(scored: pd.DataFrame) -> Components:
    """Variance components by the method of moments, averaged over all pairs of solvers.

    The seed component is the mean variance between seeds. The two others come from each pair's differences between
    medians, by fitting constants (Henderson's method 3; Searle, Casella & McCulloch 1992, section 5.5) with generators
    as fixed and networks as random effects: the mean squares within networks, less what seeds contribute, and what
    networks explain beyond generators. With one generator that is the one-way analysis of variance for groups of
    unequal size. The mean over pairs is twice the interaction's variance in an analysis of all solvers. Negative
    estimates become 0.

    Args:
        scored: runs with their scores, `Analysis.scored`.

    Raises:
        AmbError: fewer than two solvers, two seeds, or two problems of one network behind one generator.
    """
    medians = median_scores(scored)
    wide = blocks(medians, "score")
    problems = medians.drop_duplicates("problem").set_index("problem").loc[wide.index]
    runs = scored[scored["problem"].isin(wide.index)].groupby(["problem", "solver"])["score"]
    seeds = int(runs.size().max()) if len(wide) else 0
    generators = pd.get_dummies(problems["generator"]).to_numpy(dtype=float)
    networks = pd.get_dummies(problems["target"]).to_numpy(dtype=float)
    reduced, full = _projection(generators), _projection(np.hstack([generators, networks]))
    inside, between = len(wide) - np.trace(full), np.trace(full) - np.trace(reduced)  # degrees of freedom
    if wide.shape[1] < 2 or seeds < 2 or inside < 0.5:
        raise AmbError(
            "variance components need at least two solvers, two seeds and more problems than networks and generators; "
            f"got {plural(wide.shape[1], 'solver')}, {plural(seeds, 'seed')} and {plural(len(wide), 'problem')} of "
            f"{plural(networks.shape[1], 'network')}"
        )
    first, second = np.array(list(combinations(range(wide.shape[1]), 2))).T
    values = wide.to_numpy(dtype=float)
    differences = values[:, first] - values[:, second]
    within = float((differences * (differences - full @ differences)).sum(axis=0).mean() / inside)
    seed = float(runs.var(ddof=1).mean())
    of_medians = 2 * seed * float(np.mean([median_variance(int(n)) for n in runs.size()]))
    network = np.nan
    if between > 0.5:
        explained = float((differences * ((full - reduced) @ differences)).sum(axis=0).mean())
        weight = float(np.trace(networks.T @ (networks - reduced @ networks)))
        network = max(0.0, (explained - between * within) / weight)
    return Components(seed, max(0.0, within - of_medians), network)


def _projection(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix that projects on the space of these columns."""
    return columns @ np.linalg.pinv(columns) if columns.size else np.zeros((len(columns), len(columns)))


@lru_cache(maxsize=128)
def median_variance(seeds: int) -> float:
    """Variance of the median of this number of standard normal values, from a simulation with a fixed seed."""
    if seeds == 1:
        return 1.0
    if seeds > 50:
        return float(np.pi / (2 * seeds))  # asymptotic; 1% too high at 50
    draws = np.random.default_rng(0).standard_normal((40_000, seeds))
    return float(np.var(np.median(draws, axis=1)))


def power_over_problems(
    design: Design, parts: Components, difference: float, alpha: float, rng: np.random.Generator
) -> float:
    """Chance that the signed-rank test over the problems shows a mean difference on the networks that are run.

    The networks are given: how the difference varies among them widens the spread of the problems, and the mean over
    these networks is the difference.

    Args:
        design: the size of the study.
        parts: the variance components.
        difference: mean difference of the two solvers' scores, in the scores' unit; may be 0.
        alpha: error rate of the test, after Holm's correction.
        rng: generator of the simulated studies.
    """
    shape = (REPLICATES, design.networks, design.problems)
    values = rng.standard_normal(shape) * np.sqrt(parts.of_problem(design.seeds)) + difference
    if design.networks > 1 and parts.network > 0:
        shifts = rng.standard_normal(shape[:2]) * np.sqrt(parts.network)
        values += (shifts - shifts.mean(axis=1, keepdims=True))[:, :, None]
    return _rejected(values.reshape(REPLICATES, -1), alpha)


def power_over_networks(
    design: Design, parts: Components, difference: float, alpha: float, rng: np.random.Generator
) -> float:
    """Chance that the signed-rank test over networks' means shows a mean difference on networks in general.

    0 for fewer than six networks, which are not tested. Arguments as for `power_over_problems`.
    """
    if design.networks < LEAST_NETWORKS:
        return 0.0
    spread = np.sqrt(parts.network + parts.of_problem(design.seeds) / design.problems)
    return _rejected(rng.standard_normal((REPLICATES, design.networks)) * spread + difference, alpha)


def corrected(alpha: float, solvers: int) -> float:
    """The error rate of one comparison among all pairs of solvers, in the first and strictest step of Holm's."""
    return alpha / (solvers * (solvers - 1) // 2)


def smallest(power: Callable[[int], float], enough: float, least: int, most: int = MOST) -> int | None:
    """The smallest number in a range at which a power that grows with it is enough; None if there is none."""
    if power(most) < enough:
        return None
    while least < most:
        middle = (least + most) // 2
        if power(middle) >= enough:
            most = middle
        else:
            least = middle + 1
    return most


def _rejected(values: NDArray[np.float64], alpha: float) -> float:
    """Share of rows, without zeros and ties, whose two-sided signed-rank test gives p <= alpha."""
    n = values.shape[1]
    critical = least_rank_sum(n, alpha)
    ascending = np.take_along_axis(values, np.abs(values).argsort(axis=1), axis=1)
    positive = (ascending > 0) @ np.arange(1, n + 1)
    return float(np.mean(np.maximum(positive, n * (n + 1) // 2 - positive) >= critical))
