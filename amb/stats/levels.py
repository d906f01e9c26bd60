"""What is exchangeable: the level at which differences are tested, from problems up to whole networks."""

from collections.abc import Hashable, Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LEVELS = ("problems", "layers", "networks")

LEAST_NETWORKS = 6
"""With fewer, no two-sided sign-flip test can fall below 0.05: 2 / 2**5 = 0.0625."""


class Levels:
    """Groups the problems of a comparison by layer, by network and by generator.

    Args:
        problems: generator, target and layer of each problem.
    """

    def __init__(self, problems: pd.DataFrame) -> None:
        generators, targets, layers = (problems[column].tolist() for column in ("generator", "target", "layer"))
        cells = list(zip(targets, generators, strict=True))
        self._layers = _codes(zip(targets, layers, strict=True))
        self._generators = _codes(generators)
        self._cells = _codes(cells)
        self._networks = _codes(target for target, _ in dict.fromkeys(cells))

    @property
    def networks(self) -> int:
        """Number of target networks."""
        return _count(self._networks)

    @property
    def generators(self) -> int:
        """Number of generators."""
        return _count(self._generators)

    def network_means(self, differences: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean difference on every target network, float[networks]; each generator in front of it counts alike."""
        return _means(_means(differences, self._cells), self._networks)

    def directions(self, differences: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sign of the mean difference on every target network or, if there is only one, behind every generator."""
        several = self.networks > 1
        means = self.network_means(differences) if several else _means(differences, self._generators)
        return np.sign(np.round(means, 12))

    def exchangeable(self, differences: NDArray[np.float64], level: str) -> NDArray[np.float64]:
        """The differences that a test at a level is about: of problems, or means over layers or networks.

        Args:
            differences: float[problems].
            level: one of `LEVELS`.
        """
        if level == "problems":
            return differences
        return self.network_means(differences) if level == "networks" else _means(differences, self._layers)


def _codes(groups: Iterable[Hashable]) -> NDArray[np.int64]:
    """Number of each group, in the order in which groups first appear."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)


def _count(codes: NDArray[np.int64]) -> int:
    return int(codes.max(initial=-1)) + 1


def _means(values: NDArray[np.float64], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.bincount(codes, weights=values) / np.bincount(codes) if len(values) else values
