"""CMA-ES in the latent box, full and diagonal, from the package pycma."""

from typing import Any

import numpy as np

from amb.contracts.space import FloatArray, Space
from amb.errors import SolverError, SpecError
from amb_solvers.shared.cma_defaults import population
from amb_solvers.shared.flat_start import FlatStart
from amb_solvers.shared.latent_box import BoxSolver, prior_moments
from amb_solvers.shared.losses import losses
from amb_solvers.shared.private_random import PrivateRandom
from amb_solvers.shared.pycma import quiet, strategy


class CMAES(BoxSolver):
    """Covariance matrix adaptation, started at the prior's mean with the prior's standard deviation.

    pycma minimizes, so it receives the negated values. A failed query counts as the worst of its population; if a
    whole population fails, a new one is drawn. As long as all values are equal (`FlatStart`), and whenever pycma
    stops by itself, the search restarts from the prior, so the whole budget is used.

    Args:
        k: population size; 0 means pycma's default, ``4 + 3 log d``.
        scale: initial step size in standard deviations of the prior.
        diagonal: adapt the variances only, which is faster to learn and to compute when d is large.
    """

    foreign = True  # those better than the population's median join it (Hansen 2011, arXiv 1110.4181)
    forked = True
    failed_queries = "counts as the worst of its population"
    source = "Hansen & Ostermeier 2001, Evol. Comput. 9, 159-195 (pycma 4)"

    def __init__(
        self,
        space: Space,
        *,
        budget: int,
        seed: int,
        k: int = 0,
        scale: float = 1.0,
        diagonal: bool = False,
    ) -> None:
        super().__init__(space, budget=budget, seed=seed)
        if k < 0 or k == 1 or not 0 < scale <= 1e6:
            raise SpecError(f"expected k = 0 or k >= 2, and 0 < scale <= 1e6, got k={k}, scale={scale}")
        if space.d < 2:
            raise SolverError("pycma needs at least two dimensions, and this space has one; use snes")
        self.k = k or population(space.d)
        self.scale, self.diagonal = scale, diagonal
        self._private = PrivateRandom(self.seed)
        self._flat = FlatStart()
        self._strategy: Any = None
        self._told: tuple[FloatArray, FloatArray] | None = None  # points and losses that the strategy has not received

    def _generate(self) -> FloatArray:
        self._update()
        with quiet(self._private):
            if self._strategy is None or self._strategy.stop():
                self._strategy = self._start()
            return np.array(self._strategy.ask())

    def _learn(self, values: FloatArray) -> None:
        negated = losses(values)
        if negated is None:
            return
        if self._flat.holds(values):
            self._strategy = None
            return
        self._told = self._batch, negated
        if not self.foreign:
            self._update()

    def _update(self) -> None:
        """Tell the strategy about its last population and what has joined it."""
        if self._told is None:
            return
        points, negated = self._told
        self._told = None
        with quiet(self._private):
            self._strategy.tell(list(points), negated.tolist())

    def _absorb(self, candidates: FloatArray, values: FloatArray) -> None:
        if self._told is None:
            return  # there is no generation to join
        points, negated = self._told
        better = np.flatnonzero(-values < np.median(negated))  # NaN is not
        best = better[np.argsort(-values[better], kind="stable")][: self.k // 2]
        self._told = np.concatenate([points, candidates[best]]), np.r_[negated, -values[best]]

    def _start(self) -> Any:
        mean, deviation = prior_moments(self.space)
        start = np.full(self.space.d, mean)
        return strategy(start, self.scale * deviation, k=self.k, diagonal=self.diagonal, normals=self._normals)

    def _normals(self, *shape: int) -> FloatArray:
        return self.rng.standard_normal(shape)


class DiagonalCMAES(CMAES):
    """CMA-ES that adapts the variances only."""

    def __init__(self, space: Space, *, budget: int, seed: int, diagonal: bool = True, **options: Any) -> None:
        super().__init__(space, budget=budget, seed=seed, diagonal=diagonal, **options)
