"""Climbing predictions: from a candidate to one whose image is predicted to excite more."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from amb.contracts.space import FloatArray, IntArray, Space
from amb.contracts.view import Pixels, View
from amb.references.adam import Adam
from amb_solvers.image_seeing.features import Features
from amb_solvers.shared.latent_box import prior_norm

Weights = NDArray[np.float32]

NORM = 1.25
"""Largest norm of a latent, in those of typical draws of a normal prior: beyond, a generator leaves its images."""
FIRST_CHANGES = 8.0
"""Codes that change in the first step; more after a success, half as many after a failure."""
CHILDREN = 12
"""Images that are screened per prediction and step, where there are no gradients."""


class Ascent:
    """Climbs from candidates towards images with higher ``features @ weights``, one row of weights for each.

    Through a differentiable generator by Adam on the latents; through a codebook by exchanging the codes that promise
    most; otherwise by screening mutants.

    Args:
        view: the generator.
        features: of its images.
        steps: steps of a climb.
        rate: Adam's step, in standard deviations of the prior.
    """

    def __init__(self, view: View, features: Features, *, steps: int, rate: float) -> None:
        self._view, self._features, self._steps, self._rate = view, features, steps, rate

    def climb(self, starts: IntArray, weights: Weights, rng: np.random.Generator) -> IntArray:
        """Candidates int64[n, d] at the ends of climbs from `starts` int64[n, d]."""
        if self._view.differentiable:
            return self._along_gradients(starts, weights)
        if self._view.substitutable:
            return self._by_substitution(starts, weights)
        return self._by_screening(starts, weights, rng)

    def _along_gradients(self, starts: IntArray, weights: Weights) -> IntArray:
        space = self._view.space
        latents = space.decode(starts)
        unit = prior_norm(space) / np.sqrt(space.d) if space.prior == "normal" else (space.high - space.low) / 8
        adam = Adam(*latents.shape, rate=self._rate * unit, epsilon=1e-12)
        for _ in range(self._steps):
            slopes = self._view.gradient(latents, self._slope(weights))
            if not np.isfinite(slopes).all():
                slopes = np.nan_to_num(slopes, nan=0.0, posinf=0.0, neginf=0.0)
            latents = within(space, latents + adam.step(slopes))
        return space.nearest(latents)

    def _by_substitution(self, starts: IntArray, weights: Weights) -> IntArray:
        current, scores = starts.copy(), self._scores(starts, weights)
        changes = np.full(len(starts), FIRST_CHANGES)
        for _ in range(self._steps):
            promise = self._view.substitutions(current, self._slope(weights))
            best, proposed = promise.max(axis=2), current.copy()
            for row, count in enumerate(changes):
                chosen = np.argsort(-best[row], kind="stable")[: max(1, int(count))]
                chosen = chosen[best[row, chosen] > 0]
                proposed[row, chosen] = promise[row, chosen].argmax(axis=1)
            found = self._scores(proposed, weights)
            better = found > scores
            current[better], scores[better] = proposed[better], found[better]
            changes = np.where(better, changes * 1.2, changes / 2)
        return current

    def _by_screening(self, starts: IntArray, weights: Weights, rng: np.random.Generator) -> IntArray:
        current, scores = starts.copy(), self._scores(starts, weights)
        for step in range(self._steps):
            share = 0.3 * 0.7**step
            children = np.concatenate([mutated(self._view.space, current, share, rng) for _ in range(CHILDREN)])
            found = self._scores(children, np.tile(weights, (CHILDREN, 1))).reshape(CHILDREN, -1)
            leaders, columns = found.argmax(axis=0), np.arange(len(current))
            better = found[leaders, columns] > scores
            winners = children.reshape(CHILDREN, *current.shape)[leaders, columns]
            current[better], scores[better] = winners[better], found[leaders, columns][better]
        return current

    def _scores(self, candidates: IntArray, weights: Weights) -> FloatArray:
        features = self._features(self._view.images(candidates))
        scores: FloatArray = np.einsum("ij,ij->i", features, weights).astype(np.float64)
        return scores

    def _slope(self, weights: Weights) -> Callable[[Pixels], Pixels]:
        """The slope of the predictions; a view calls it chunk by chunk, in order, the last one padded."""
        done = 0

        def slope(pixels: Pixels) -> Pixels:
            nonlocal done
            rows = np.zeros((len(pixels), weights.shape[1]), np.float32)
            own = weights[done : done + len(pixels)]
            rows[: len(own)] = own
            done += len(pixels)
            return self._features.slope(pixels, rows)

        return slope


def within(space: Space, latents: FloatArray) -> FloatArray:
    """Latents moved into the box and, under a normal prior, to a norm that the generator was trained on."""
    inside = np.clip(latents, space.low, space.high)
    if space.prior == "normal":
        norms = np.linalg.norm(inside, axis=1, keepdims=True)
        inside *= np.minimum(1.0, NORM * prior_norm(space) / np.maximum(norms, 1e-12))
    return inside


def mutated(space: Space, candidates: IntArray, share: float, rng: np.random.Generator) -> IntArray:
    """Children that take a share of their dimensions, at least one, from a draw of the prior."""
    chosen = rng.random(candidates.shape) < share
    chosen[np.arange(len(chosen)), rng.integers(space.d, size=len(chosen))] = True
    return np.where(chosen, space.sample_prior(len(candidates), rng), candidates)
