"""Random search, which every other method must beat."""

from typing import Any, Literal, get_args

from amb.contracts.solver import Solver
from amb.contracts.space import IntArray, Space
from amb.errors import SpecError

Draw = Literal["grid", "prior"]


class RandomSearch(Solver):
    """Independent draws, `k` at a time.

    Args:
        draw: "grid" draws uniformly from the grid, as the paper's framework does at the start; "prior" draws from
            the generator's own latent distribution, rounded to the grid. On an even grid over [-4, 4] the
            first is far off the manifold: at d=128 its norm is about 26, the prior's about 11.3.
        k: candidates per ask; it does not change which candidates are asked.
    """

    forked = True
    failed_queries = "changes nothing"
    source = "Bergstra & Bengio 2012, JMLR 13, 281-305"

    def __init__(self, space: Space, *, budget: int, seed: int, draw: str = "grid", k: int = 32) -> None:
        super().__init__(space, budget=budget, seed=seed)
        if draw not in get_args(Draw):
            raise SpecError(f"draw must be 'grid' or 'prior', got {draw!r}")
        if k < 1:
            raise SpecError(f"k must be at least 1, got {k}")
        self._sample = space.sample if draw == "grid" else space.sample_prior
        self.k = k

    def _ask(self, limit: int) -> IntArray:
        return self._sample(min(self.k, limit), self.rng)


class RandomPrior(RandomSearch):
    """Random search over the generator's prior."""

    def __init__(self, space: Space, *, budget: int, seed: int, draw: str = "prior", **options: Any) -> None:
        super().__init__(space, budget=budget, seed=seed, draw=draw, **options)
