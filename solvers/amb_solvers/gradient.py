"""Gradient ascent through generator and network: a white-box reference."""

import numpy as np

from amb.contracts import asking
from amb.contracts.problem import Problem
from amb.contracts.space import FloatArray, Space
from amb.errors import SolverError, SpecError
from amb.references.adam import Adam
from amb_solvers.shared.latent_box import BoxSolver
from amb_solvers.shared.ranking import best_first


class Gradient(BoxSolver):
    """White-box reference: surrogate-gradient ascent by Adam from several starts, round after round.

    A round queries `draws` draws of the prior and climbs from the best `k` of them. In each of its `steps`, the
    climbers' points are queried, one gradient is taken at each (`Problem.gradient`), and the climbers move. So a query
    yields a value and, except for the draws, a gradient at that point; gradients are not counted otherwise, and their
    time counts as solver seconds. A failed draw is not climbed from. A climber whose query fails continues, since its
    gradient is known. Where there is no slope (a silent neuron, or a gradient that is not finite) the climber restarts
    from the prior.

    Runs are reproducible on one device only: gradients are floats, which another device may round differently.

    Args:
        k: number of climbers.
        draws: draws of the prior at the start of a round, at least `k`.
        steps: steps per round.
        rate: Adam's step size, in latent units.
    """

    sees = "gradients"
    failed_queries = "is not climbed from; a climber continues"
    source = "Simonyan, Vedaldi & Zisserman 2014, arXiv:1312.6034; Neftci, Mostafa & Zenke 2019, arXiv:1901.09948"

    def __init__(
        self, space: Space, *, budget: int, seed: int, k: int = 8, draws: int = 32, steps: int = 40, rate: float = 0.15
    ) -> None:
        super().__init__(space, budget=budget, seed=seed)
        if not 1 <= k <= draws or steps < 1 or not rate > 0:
            raise SpecError(
                f"expected 1 <= k <= draws, steps >= 1 and rate > 0, got k={k}, draws={draws}, steps={steps}, "
                f"rate={rate}"
            )
        self.k, self.draws, self.steps, self.rate = k, draws, steps, rate
        self._problem: Problem | None = None
        self._climbers: FloatArray = np.empty((0, space.d))
        self._moved = 0  # steps of this round

    def attach(self, problem: Problem) -> None:
        """Take the problem whose gradients are followed.

        Raises:
            SolverError: the problem has no gradients.
        """
        try:
            problem.gradient(np.empty((0, self.space.d)))
        except SpecError as refusal:
            raise SolverError(str(refusal)) from refusal
        self._problem = problem

    def _generate(self) -> FloatArray:
        if self._problem is None:
            raise SolverError("this solver follows gradients: call attach(problem) before the first ask")
        if not len(self._climbers):
            return self.space.decode(self.space.sample_prior(self.draws, self.rng))
        self._step(self._problem)
        return self._climbers

    def _learn(self, values: FloatArray) -> None:
        if self._moved >= self.steps:
            self._climbers = self._climbers[:0]
            self._moved = 0
        elif not self._moved and not len(self._climbers):
            self._climbers = self._batch[best_first(values)[: self.k]].astype(np.float64)
            self._adam = Adam(*self._climbers.shape, rate=self.rate, epsilon=1e-12)

    def _step(self, problem: Problem) -> None:
        """One step of Adam; climbers without a slope start again from the prior."""
        _, slopes = asking.gradient(problem, self._climbers)
        flat = ~np.isfinite(slopes).all(axis=1) | ~slopes.any(axis=1)
        slopes[flat] = 0.0
        self._moved += 1
        moved = np.clip(self._climbers + self._adam.step(slopes), self.space.low, self.space.high)
        if flat.any():
            moved[flat] = self.space.decode(self.space.sample_prior(int(flat.sum()), self.rng))
            self._adam.restart(flat)
        self._climbers = moved
