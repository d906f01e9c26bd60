"""The smallest studies that show a difference, along a few axes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from amb.errors import SpecError
from amb.stats.levels import LEAST_NETWORKS
from amb.stats.planning import MOST, Components, Design, corrected, power_over_networks, power_over_problems, smallest

HERE, GENERAL = "these networks", "networks in general"


@dataclass(frozen=True)
class Goal:
    """What a study should show.

    Attributes:
        difference: mean difference between two solvers' medians, in activation.
        power: chance with which it is to be shown.
        solvers: number of solvers, all compared in pairs.
        alpha: family-wise error rate.

    Raises:
        SpecError: a number outside its range.
    """

    difference: float
    power: float = 0.8
    solvers: int = 2
    alpha: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.difference <= 1:
            raise SpecError(f"the difference is one of activations, above 0 and at most 1, got {self.difference}")
        if not 0 < self.alpha < 1:
            raise SpecError(f"alpha must lie between 0 and 1, got {self.alpha}; the usual value is 0.05")
        if not self.alpha < self.power < 1:
            raise SpecError(f"power must lie between alpha ({self.alpha}) and 1, got {self.power}; 0.8 is usual")
        if self.solvers < 2:
            raise SpecError(f"a comparison needs at least 2 solvers, got {self.solvers}")


@dataclass(frozen=True)
class Size:
    """A study's size and its power.

    Attributes:
        claim: what the difference is shown about, `HERE` or `GENERAL`.
        networks, problems, seeds: numbers of networks, of problems on all of them together, and of seeds.
        power: of the test.
        enough: whether that is the power asked for; otherwise this is the largest size that was tried.
    """

    claim: str
    networks: int
    problems: int
    seeds: int
    power: float
    enough: bool

    def runs(self, solvers: int) -> int:
        """Number of runs of a study with this number of solvers."""
        return self.problems * self.seeds * solvers


def sizes(goal: Goal, parts: Components, seeds: Sequence[int], networks: int | None, per_network: int) -> list[Size]:
    """For each number of seeds, the fewest problems for given networks, and the fewest networks for a general claim.

    Args:
        goal: what is to be shown.
        parts: variance components. If that between networks is unknown, nothing is said about networks in general.
        seeds: numbers of seeds to try.
        networks: a fixed number of networks, on which the fewest problems are sought; None for one network and, for
            claims about networks in general, for the fewest networks.
        per_network: problems on each network where the fewest networks are sought.
    """
    known = not np.isnan(parts.network)
    given = Components(parts.seed, parts.problem, parts.network if known else 0.0)
    found = [_size(goal, given, HERE, networks or 1, None, n) for n in seeds]
    if known and networks is None:
        found += [_size(goal, parts, GENERAL, None, per_network, n) for n in seeds]
    elif known and networks is not None and networks >= LEAST_NETWORKS:
        found += [_size(goal, parts, GENERAL, networks, None, n) for n in seeds]
    return found


def _size(goal: Goal, parts: Components, claim: str, networks: int | None, problems: int | None, seeds: int) -> Size:
    """The smallest size with the power, over networks or over problems on each: what is None is sought."""
    test = power_over_problems if claim == HERE else power_over_networks
    alpha = corrected(goal.alpha, goal.solvers)

    def design(n: int) -> Design:
        return Design(networks or n, problems or n, seeds)

    def power(n: int) -> float:
        return test(design(n), parts, goal.difference, alpha, np.random.default_rng(0))

    most = max(1, MOST // networks) if claim == HERE and networks else MOST
    least = LEAST_NETWORKS if networks is None else 1
    n = smallest(power, goal.power, least, most)
    size = design(n or most)
    return Size(claim, size.networks, size.networks * size.problems, seeds, power(n or most), n is not None)
