"""How much is spent on the paper's results."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

BENCHMARK = "portfolio"
"""The benchmark that the paper compares them with."""
GAN, VQVAE = "cifar10-sngan", "cifar10-vqvae"
NETWORK = "snn-resnet18"


@dataclass(frozen=True)
class Effort:
    """Units, queries and repetitions.

    Attributes:
        units: units of each layer, drawn by the atlas's rule.
        budget: queries of each run.
        seeds: runs of each unit and solver.
        solvers: tensor-train methods; the benchmark is added.
        curve_budget, curve_seeds: of figure 5, which is also where time is measured, one run at a time.
        presentations: noisy presentations over which class probabilities are averaged.
    """

    units: int
    budget: int
    seeds: int
    solvers: tuple[str, ...]
    curve_budget: int
    curve_seeds: int
    presentations: int

    @property
    def all_solvers(self) -> str:
        """The solvers as a spec."""
        return ",".join([*self.solvers, BENCHMARK])


EFFORTS: Mapping[str, Effort] = MappingProxyType(
    {
        "quick": Effort(5, 150, 1, ("protes", "tt-b"), 2000, 5, 10),
        "full": Effort(16, 1000, 2, ("protes", "tt-s", "tt-b"), 12_000, 5, 100),
    }
)
