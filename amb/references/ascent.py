"""The search for the best known value: gradient ascent from the best candidates, then mutation on the grid."""

from dataclasses import dataclass

import numpy as np

from amb.contracts import asking
from amb.contracts.problem import Problem
from amb.contracts.space import FloatArray, IntArray
from amb.errors import SpecError
from amb.references.adam import Adam

CHILDREN = 32
"""Candidates of one round of mutation."""


@dataclass(frozen=True)
class Effort:
    """How much to spend on a problem.

    Attributes:
        prior: random latents, at least 1,000.
        starts: starts of the gradient ascent, from the best of the random latents.
        steps: steps of the ascent (Adam).
        mutations: rounds of refinement on the grid, 32 candidates each.
        rate: step size of Adam, in the latent's units.
        seed: the seed of all random decisions.
    """

    prior: int = 2000
    starts: int = 8
    steps: int = 40
    mutations: int = 20
    rate: float = 0.15
    seed: int = 0


def ascend(problem: Problem, draws: IntArray, values: FloatArray, effort: Effort) -> tuple[float, IntArray]:
    """The best grid point that gradient ascent from the best draws, then mutation, find.

    Args:
        problem: the problem to search; without gradients, only by mutation.
        draws: int64[n, d], the candidates to start from.
        values: float64[n], their activations.
        effort: how much to spend.

    Returns:
        The activation, noise-free, and the candidate.
    """
    search = _Search(problem, draws, values, effort)
    if has_gradients(problem):
        search.climb()
    search.mutate()
    return search.best, search.champion


def has_gradients(problem: Problem) -> bool:
    """Whether the problem has gradients, and latents that can be moved along them."""
    try:
        problem.gradient(np.empty((0, problem.space.d)))
    except SpecError:
        return False
    return problem.space.ordinal


class _Search:
    """The best candidate so far, and the steps that improve it."""

    def __init__(self, problem: Problem, draws: IntArray, values: FloatArray, effort: Effort) -> None:
        self.problem, self.effort = problem, effort
        order = np.argsort(-values, kind="stable")[: effort.starts]  # NaN, of failed queries, comes last
        self.starts, self.champion = draws[order], draws[order[0]]
        self.best = float(values[order[0]])

    def climb(self) -> None:
        """Climb from all starts, and look at the nearest grid points every five steps."""
        space, steps = self.problem.space, self.effort.steps
        latents = space.decode(self.starts)
        adam = Adam(*latents.shape, rate=self.effort.rate)
        for step in range(1, steps + 1):
            _, slopes = asking.gradient(self.problem, latents)
            slopes = np.where(np.isfinite(slopes), slopes, 0)  # of a failed query
            latents = np.clip(latents + adam.step(slopes), space.low, space.high)
            if step % 5 == 0 or step == steps:
                self._challenge(space.nearest(latents))

    def mutate(self) -> None:
        """Replace the champion by its best child, round after round."""
        rng = np.random.default_rng(self.effort.seed)
        for _ in range(self.effort.mutations):
            self._challenge(_mutants(self.problem, self.champion, rng))

    def _challenge(self, candidates: IntArray) -> None:
        clean = asking.activations(self.problem, candidates)
        if np.nanmax(clean, initial=-np.inf) > self.best:
            winner = int(np.nanargmax(clean))
            self.best, self.champion = float(clean[winner]), candidates[winner]


def _mutants(problem: Problem, parent: IntArray, rng: np.random.Generator) -> IntArray:
    """Children: about three dimensions each, moved by a few levels, or to any code where codes have no order."""
    space = problem.space
    children = np.repeat(parent[None], CHILDREN, axis=0)
    chosen = rng.random(children.shape) < 3 / space.d
    moved = children + rng.integers(-6, 7, children.shape) if space.ordinal else space.sample(CHILDREN, rng)
    return np.where(chosen, np.clip(moved, 0, space.levels - 1), children)
