"""A tensor train whose cores are written down from the best recent candidates instead of being fitted to them."""

import numpy as np

from amb.contracts.batches import BatchSolver
from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SpecError
from amb_solvers.shared.cma_defaults import log_weights
from amb_solvers.shared.flat_start import FlatStart
from amb_solvers.shared.latent_box import prior_moments

GOAL = 0.2
"""The width grows if a larger share of a batch is better than the median parent, and shrinks otherwise."""
GROW, SHRINK = 1.15, 0.9
NARROWEST, WIDEST = 0.08, 1.2
"""Bounds of the width, in standard deviations of the prior."""


class TTParents(BatchSolver):
    """A tensor train written down from recent parents, instead of fitted to queries.

    Its rank is `parents`, and its cores are ``G_j[a, b, x] = T[a, b] K_j(x | b)``. A mode's index of rank says from
    which parent its level is inherited. `T` is the same for all modes: with probability `switching` the next mode
    chooses its parent anew, by CMA's rank weights, otherwise it keeps the last one. `K_j` is a normal distribution,
    rounded to the grid, around the parent's coordinate, drawn towards the parents' weighted mean. With
    ``switching=1`` all modes are independent, and the rank of the train is one. The train is never stored: a draw
    follows the chain of parents.

    The first batch comes from the prior. The parents are the best of the last `patience` batches, the newest first
    among equals. As long as all values are equal, batches come from the prior.

    Args:
        k: candidates of a batch.
        parents: the rank.
        switching: probability that the next mode has another parent, from 0 to 1.
        contraction: how far a parent is drawn towards the mean: 0 not at all, 1 onto it.
        width: standard deviation of the normal distribution at the start, in those of the prior.
        patience: batches for which a candidate may be a parent.

    Raises:
        SpecError: a number out of range.
    """

    kinds = frozenset({"ordinal"})
    forked = True
    failed_queries = "never becomes a parent"
    source = "this project; the train is a hidden Markov model (Glasser et al. 2019, NeurIPS 32)"

    def __init__(
        self,
        space: Space,
        *,
        budget: int,
        seed: int,
        k: int = 20,
        parents: int = 10,
        switching: float = 1.0,
        contraction: float = 0.5,
        width: float = 0.7,
        patience: int = 3,
    ) -> None:
        super().__init__(space, budget=budget, seed=seed)
        shares = 0 <= switching <= 1 and 0 <= contraction <= 1
        if k < 1 or parents < 1 or not shares or not width > 0 or patience < 1:
            raise SpecError(
                "expected k, parents and patience >= 1, switching and contraction from 0 to 1, and width > 0, got "
                f"k={k}, parents={parents}, patience={patience}, switching={switching}, contraction={contraction}, "
                f"width={width}"
            )
        self.k, self.parents, self.patience = k, parents, patience
        self.switching, self.contraction, self.width = switching, contraction, width
        self._mean, self._deviation = prior_moments(space)
        self._flat = FlatStart()
        self._parents: FloatArray = np.empty((0, space.d))  # in units of the prior, the best first
        self._scores: FloatArray = np.empty(0)
        self._ages: IntArray = np.empty(0, dtype=np.int64)

    def _generate(self) -> IntArray:
        if not len(self._parents):
            return self.space.sample_prior(self.k, self.rng)
        weights = log_weights(len(self._parents))
        chosen = self._chains(weights)
        mean = (weights[:, None] * self._parents).sum(axis=0)
        kernels = self._parents + self.contraction * (mean - self._parents)
        centres = kernels[chosen, np.arange(self.space.d)]
        points = centres + self.width * self.rng.standard_normal(centres.shape)
        return self.space.nearest(self._mean + self._deviation * points)

    def _learn(self, values: FloatArray) -> None:
        there = ~np.isnan(values)
        if self._flat.holds(values) or not there.any():
            return
        if len(self._scores):
            success = float((values[there] > np.median(self._scores)).mean())
            self.width = float(np.clip(self.width * (GROW if success > GOAL else SHRINK), NARROWEST, WIDEST))
        points = (self.space.decode(self._batch[there]) - self._mean) / self._deviation
        young = self._ages + 1 < self.patience
        rows = np.concatenate([points, self._parents[young]])
        scores = np.concatenate([values[there], self._scores[young]])
        ages = np.concatenate([np.zeros(len(points), dtype=np.int64), self._ages[young] + 1])
        best = np.argsort(-scores, kind="stable")[: self.parents]
        self._parents, self._scores, self._ages = rows[best], scores[best], ages[best]

    def _chains(self, weights: FloatArray) -> IntArray:
        """For every candidate and mode the parent, int64[k, d], drawn along the train."""
        d = self.space.d
        drawn = self.rng.choice(len(weights), size=(self.k, d), p=weights)
        switched = self.rng.random((self.k, d)) < self.switching
        switched[:, 0] = True
        since = np.maximum.accumulate(np.where(switched, np.arange(d), 0), axis=1)
        chains: IntArray = np.take_along_axis(drawn, since, axis=1)
        return chains
