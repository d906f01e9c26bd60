"""Thompson sampling from a Gaussian process on the latents, within a trust region."""

import numpy as np

from amb.contracts.batches import BatchSolver
from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SpecError
from amb_solvers.trust_region.handover import Handover
from amb_solvers.trust_region.knowledge import Knowledge
from amb_solvers.trust_region.region import Region

LEADERS = 5
"""Half of a batch starts at the best candidate, the others at one of so many."""
NUDGE = 0.05
"""Standard deviation by which climbs start next to a centre, so that two of them differ."""
STRIDES = 8
"""Steps that lead from the centre to the border of the ball."""
RESOLUTION = 1024
"""Climbs move on a fine grid, so that errors of rounding, which differ with the number of threads, do not grow."""
REPEATS = 2
"""The first batches, which measure the best candidate again to show whether there is noise."""


class TrustRegionGP(BatchSolver):
    """Climbs draws of a Gaussian process's posterior on the latents, within a ball around a good candidate.

    The process has a linear and a Matérn kernel, weighted, with length scale and noise of the highest marginal
    likelihood. After `start` draws of the prior, every candidate of a batch climbs a draw of its own (Thompson
    sampling, by Matheron's rule). The ball's centre is the candidate with the highest posterior mean rather than the
    best value, because on a rugged landscape, too, single values are partly luck. It grows when the last batch
    contains a new centre, and shrinks otherwise. The best candidate is measured again in two early batches: if its
    value differs, there is noise, and the candidate with the highest posterior mean is recommended. As long as all
    values are equal, it draws from the prior.

    The climbs stop at what the process cannot tell apart. So after `handover` values a diagonal CMA (pycma) continues
    from the mean of the ten leaders, and whenever it stops, again; the process chooses a third of its offspring.

    Args:
        start: draws of the prior before the first regression.
        k: candidates of a batch.
        radius: of the ball at the start, in root mean square per coordinate and standard deviations of the prior.
        boldness: by how many posterior standard deviations draws differ from the posterior mean.
        steps: steps of a climb.
        handover: values after which CMA continues.

    Raises:
        SpecError: a number out of range.
    """

    kinds = frozenset({"ordinal"})
    noisy = True
    foreign = True  # they are rows of the regression like any other
    forked = True
    failed_queries = "is left out of the regression"
    source = "this project; after Eriksson et al. 2019, NeurIPS 32 (TuRBO), and Wilson et al. 2020, ICML"

    def __init__(
        self,
        space: Space,
        *,
        budget: int,
        seed: int,
        start: int = 20,
        k: int = 5,
        radius: float = 0.6,
        boldness: float = 0.3,
        steps: int = 30,
        handover: int = 300,
    ) -> None:
        super().__init__(space, budget=budget, seed=seed)
        if start < 2 or k < 1 or not radius > 0 or boldness < 0 or steps < 1 or handover < start:
            raise SpecError(
                "expected start >= 2, k >= 1, radius > 0, boldness >= 0, steps >= 1 and handover >= start, got "
                f"start={start}, k={k}, radius={radius}, boldness={boldness}, steps={steps}, handover={handover}"
            )
        self.start, self.k, self.boldness, self.steps = start, k, boldness, steps
        self._known = Knowledge(space)
        self._region = Region(radius, space)
        self.handover = handover
        self._later: Handover | None = None
        self._batches = 0
        self._before = 0  # rows before the last batch

    def _generate(self) -> IntArray:
        if self._known.flat:
            return self.space.sample_prior(self.start, self.rng)
        known, count = self._known, len(self._known.values)
        known.fit()
        if count >= self.handover:
            if self._later is None:
                self._later = Handover(known, self.seed, self.rng)
            return self._later.generate()
        leaders = known.leaders(LEADERS)
        if self._batches:
            self._region.record(leaders[0] >= self._before)
        self._before = count
        self._batches += 1
        others = self.rng.integers(len(leaders), size=self.k - (self.k + 1) // 2)
        centres = known.points(known.candidates[leaders[np.r_[np.zeros(self.k - len(others), dtype=int), others]]])
        batch = known.unseen(known.nearest(self._climbed(centres)), self.rng)
        if self._batches <= REPEATS:
            batch[-1] = known.candidates[known.values.argmax()]
        return batch

    def _climbed(self, centres: FloatArray) -> FloatArray:
        """Where climbs of draws of the posterior end that start at the centres, float64[k, d]."""
        draws = self._known.process.draws(len(centres), self.boldness, self.rng)
        points = centres + NUDGE * self.rng.standard_normal(centres.shape)
        step = self._region.radius * np.sqrt(self.space.d) / STRIDES
        for _ in range(self.steps):
            slopes = draws.gradients(points)
            lengths = np.linalg.norm(slopes, axis=1, keepdims=True)
            points = self._region.inside(points + step * slopes / np.maximum(lengths, 1e-12), centres)
            points = np.round(points * RESOLUTION) / RESOLUTION
        return points

    def _learn(self, values: FloatArray) -> None:
        self._known.add(self._batch.astype(np.int64), values)
        if self._later is not None:
            self._later.learn(values)

    def _absorb(self, candidates: IntArray, values: FloatArray) -> None:
        self._known.add(candidates, values)

    def recommend(self) -> IntArray:
        """The candidate with the best value; under noise, that with the highest posterior mean.

        Raises:
            SolverError: before the first `tell`.
        """
        best = super().recommend()
        if not self._known.noisy:
            return best
        self._known.fit()
        return self._known.candidates[self._known.leaders(1)[0]].copy()
