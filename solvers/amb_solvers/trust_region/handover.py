"""A diagonal CMA that continues where the process's climbs end, and lets the process choose among its offspring."""

from typing import Any

import numpy as np

from amb.contracts.space import FloatArray, IntArray
from amb_solvers.shared.cma_defaults import population
from amb_solvers.shared.losses import losses
from amb_solvers.shared.private_random import PrivateRandom
from amb_solvers.shared.pycma import quiet, strategy
from amb_solvers.trust_region.knowledge import Knowledge, ranked

DEVIATION = 0.5
"""Initial step size in standard deviations of the prior."""
ELITE = 10
"""Leaders whose mean is the first mean."""
POOL = 3
"""Offspring for each that is measured."""


class Handover:
    """CMA-ES with variances only, in units of the prior.

    Args:
        known: what the search knows; the caller adds new values to it and fits it before `generate`.
        seed: of pycma's private random states.
        rng: draws the offspring.
    """

    def __init__(self, known: Knowledge, seed: int, rng: np.random.Generator) -> None:
        self._known, self._rng = known, rng
        self._private = PrivateRandom(seed)
        self._k = population(known.space.d)
        self._strategy: Any = None
        self._points: FloatArray = np.empty((0, known.space.d))

    def generate(self) -> IntArray:
        """The next population, int64[k, d]."""
        with quiet(self._private):
            if self._strategy is None or self._strategy.stop():
                self._strategy = self._start()
            offspring = np.array(self._strategy.ask(POOL * self._k))
        chosen = ranked(self._known.process.mean(offspring))[: self._k]
        self._points = offspring[chosen]
        return self._known.nearest(self._points)

    def learn(self, values: FloatArray) -> None:
        """Take the population's values; NaN counts as the worst, and a population of failed ones is forgotten."""
        negated = losses(values)
        if self._strategy is not None and len(self._points) == len(values) and negated is not None:
            with quiet(self._private):
                self._strategy.tell(list(self._points), negated.tolist())

    def _start(self) -> Any:
        known = self._known
        mean = known.points(known.candidates[known.leaders(ELITE)]).mean(axis=0)
        return strategy(mean, DEVIATION, k=self._k, diagonal=True, normals=self._normals)

    def _normals(self, *shape: int) -> FloatArray:
        return self._rng.standard_normal(shape)
