"""The inception loop: regress responses on features of the images shown, climb the prediction, show, repeat."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from amb.contracts.batches import BatchSolver
from amb.contracts.space import FloatArray, IntArray, Space
from amb.contracts.view import View
from amb.errors import SolverError, SpecError
from amb.sight import Sight
from amb_solvers.image_seeing.names import UNTRAINED

if TYPE_CHECKING:  # solvers are listed and created without torch
    from amb_solvers.image_seeing.model import Model

GROWTH = 16
"""In long runs a batch has one candidate for so many queries so far."""
LARGEST_BATCH = 64


class InceptionLoop(BatchSolver):
    """Image-seeing: Bayesian linear regression of responses on features of the images, climbed through the generator.

    Inception loops do this with living neurons (Walker et al. 2019; Bashivan et al. 2019): the experimenter owns the
    generator and some feature extractor. Here the features need no training by default. After `start` draws of the
    prior, most of a batch comes from draws of the regression's posterior (Matheron's rule), each climbed from the best
    of a pool of rendered draws of the prior and of what was shown; the last candidates of the batch come from its mean,
    climbed from the best candidates so far. When better values no longer come, up to half of the batch is offspring of
    the best candidates. A climb goes through features and generator: by Adam on the latents, by exchanging codes where
    the generator has a codebook, or by screening mutants where it has no slopes. The variances of the groups of
    features and of the noise are those of the highest marginal likelihood, and under noise the candidate with the
    highest posterior mean is recommended. As long as all values are equal, climbs follow draws of the prior over
    features: strong images of every kind.

    Args:
        features: where features come from, joined by ``+``. "gabor": a fixed bank of Gabor and colour filters.
            "random": three layers of random convolutions. The name of a plain network, such as "ann-resnet" or, with
            the extra `imagenet`, "imagenet-vgg". ``module.function`` of your own that returns a torch module. A network
            that is the target itself is refused.
        start: draws of the prior before the first regression.
        k: candidates of a batch; it grows in long runs.
        means: how many of them come from the posterior mean, fewer than `k`.
        steps: steps of a climb.
        rate: Adam's step in standard deviations of the prior.
        pool: draws of the prior that are rendered before the search, at least `start`.

    Raises:
        SpecError: a number out of range, or no features.
    """

    sees: ClassVar[Sight] = "images"
    noisy = True
    foreign = True  # they are rows of the regression like any other
    failed_queries = "is left out of the regression"
    source = "Walker et al. 2019, Nat. Neurosci. 22, 2060-2065; Bashivan, Kar & DiCarlo 2019, Science 364, eaav9436"

    def __init__(
        self,
        space: Space,
        *,
        budget: int,
        seed: int,
        features: str = "gabor",
        start: int = 16,
        k: int = 8,
        means: int = 1,
        steps: int = 8,
        rate: float = 0.4,
        pool: int = 512,
    ) -> None:
        super().__init__(space, budget=budget, seed=seed)
        if not 0 <= means < k or steps < 1 or not rate > 0 or not 1 <= start <= pool:
            raise SpecError(
                f"expected 0 <= means < k, steps >= 1, rate > 0 and 1 <= start <= pool, got means={means}, k={k}, "
                f"steps={steps}, rate={rate}, start={start}, pool={pool}"
            )
        self._names = tuple(name.strip() for name in features.split("+") if name.strip())
        if not self._names:
            raise SpecError("no features given; the default is gabor")
        self.networks = tuple(name for name in self._names if name not in UNTRAINED)
        self.k, self.means, self.steps, self.rate, self.start, self.pool = k, means, steps, rate, start, pool
        self._view: View | None = None
        self._model: Model | None = None
        self._begun = False

    def look(self, view: View) -> None:
        """Take the generator; nothing is rendered before the first ask.

        Raises:
            SolverError: a view of another space.
        """
        if not np.array_equal(view.space.levels, self.space.levels):
            raise SolverError("this view is of another space than the one that is searched")
        self._view = view

    def recommend(self) -> IntArray:
        """Without noise in the model, the candidate with the best value; with noise, that with the best posterior mean.

        Raises:
            SolverError: before the first `tell`.
        """
        best = super().recommend()
        if self._model is None:
            return best
        trusted = self._model.recommended()
        return best if trusted is None else trusted

    def _generate(self) -> IntArray:
        model = self._ready()
        if not self._begun:
            self._begun = True
            return model.pool_candidates[: self.start]
        size = int(np.clip(model.queries // GROWTH, self.k, max(self.k, LARGEST_BATCH)))
        return model.propose(size, self.means * size // self.k, self.rng)

    def _learn(self, values: FloatArray) -> None:
        self._ready().add(self._batch.astype(np.int64), values)

    def _absorb(self, candidates: IntArray, values: FloatArray) -> None:
        self._ready().add(candidates, values)

    def _ready(self) -> "Model":
        """What the search knows; the pool is rendered on first use."""
        from amb_solvers.image_seeing.model import Model

        if self._model is not None:
            return self._model
        if self._view is None:
            raise SolverError("this solver sees images: call look(view) before the first ask")
        drawn = self.space.sample_prior(self.pool, self.rng)
        self._model = Model(self._view, self._names, drawn, steps=self.steps, rate=self.rate)
        return self._model
