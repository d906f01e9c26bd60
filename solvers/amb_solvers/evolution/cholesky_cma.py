"""CMA-ES on a Cholesky-like factor of its covariance, as used in neuron-control experiments."""

import numpy as np

from amb.contracts.space import FloatArray, Space
from amb.errors import SpecError
from amb_solvers.shared.cma_defaults import log_weights
from amb_solvers.shared.latent_box import BoxSolver, prior_moments
from amb_solvers.shared.ranking import best_first


class CholeskyCMA(BoxSolver):
    """Cholesky CMA-ES: one rank-one update of the factor every few generations, so a step costs O(k d^2).

    The covariance is A'A; samples are ``mean + sigma z A``. The rates are those in the Methods of Wang & Ponce. The
    first query is the prior's mean, alone, as in the authors' experiments. The mean may leave the box of the levels;
    what is measured is rounded to the nearest level. A failed query takes no part in the recombination; if a whole
    population fails, a new one is drawn.

    Args:
        k: population size; the better half is recombined. 0 means ``4 + 3 log2 d``.
        scale: initial step size in standard deviations of the prior; the authors' 3 is for another generator's latents.
        every: generations between updates of the factor; the authors' setting of 10 updates it in every 11th.
    """

    version = "2"
    forked = True
    failed_queries = "takes no part in the recombination"
    source = "Suttorp, Hansen & Igel 2009, Mach. Learn. 75, 167-197; Wang & Ponce 2022, GECCO (arXiv:2204.06765)"

    def __init__(
        self, space: Space, *, budget: int, seed: int, k: int = 40, scale: float = 1.0, every: int = 11
    ) -> None:
        super().__init__(space, budget=budget, seed=seed)
        d = space.d
        self.k = k or 4 + int(3 * np.log2(d))
        if self.k < 2 or not scale > 0 or every < 1:
            raise SpecError(
                f"expected k = 0 or k >= 2, scale > 0 and every >= 1, got k={k}, scale={scale}, every={every}"
            )
        self.every = every
        mean, deviation = prior_moments(space)
        parents = 1 / np.square(log_weights(self.k // 2)).sum()  # their variance-effective number
        self._parents = parents
        self._c_path = 4 / (d + 4)
        self._c_sigma = np.sqrt(parents) / (np.sqrt(parents) + np.sqrt(d))
        self._c_one = 2 / (d + np.sqrt(2)) ** 2
        self._damping = 1 + self._c_sigma + 2 * max(0.0, np.sqrt((parents - 1) / (d + 1)) - 1)
        self._length = np.sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d**2))  # of a standard normal vector
        self._mean: FloatArray = np.full(d, mean)
        self._sigma = scale * deviation
        self._factor, self._inverse = np.eye(d), np.eye(d)
        self._path, self._path_sigma = np.zeros(d), np.zeros(d)
        self._normal: FloatArray = np.empty((0, d))
        self._generation = 0
        self._started = False  # whether the mean was measured

    def _generate(self) -> FloatArray:
        if not self._started:
            return self._mean[None]
        self._normal = self.rng.standard_normal((self.k, self.space.d))
        return self._mean + self._sigma * self._normal @ self._factor

    def _learn(self, values: FloatArray) -> None:
        if not self._started:
            self._started = True
            return
        best = best_first(values)[: self.k // 2]
        if not len(best):
            return
        step = log_weights(len(best)) @ self._normal[best]
        self._mean = self._mean + self._sigma * step @ self._factor
        c, s = self._c_path, self._c_sigma
        self._path_sigma = (1 - s) * self._path_sigma + np.sqrt(s * (2 - s) * self._parents) * step
        self._path = (1 - c) * self._path + np.sqrt(c * (2 - c) * self._parents) * step @ self._factor
        growth = s / self._damping * (np.linalg.norm(self._path_sigma) / self._length - 1)
        # On a plateau the step size is a random walk; no step needs to be wider than the box.
        self._sigma = float(np.clip(self._sigma * np.exp(growth), 1e-9, self.space.high - self.space.low))
        self._generation += 1
        if self._generation % self.every == 0:
            self._factor, self._inverse = rank_one(self._factor, self._inverse, self._path, self._c_one)


def rank_one(a: FloatArray, inverse: FloatArray, path: FloatArray, c: float) -> tuple[FloatArray, FloatArray]:
    """The factor and its inverse after C <- (1 - c) C + c p p', with C = A'A, without a decomposition.

    Suttorp, Hansen & Igel 2009, theorem 1, for row vectors.
    """
    v = path @ inverse
    square = v @ v
    if square == 0:
        return a, inverse
    stretch = np.sqrt(1 + c / (1 - c) * square)
    keep = np.sqrt(1 - c)
    grown = keep * a + keep / square * (stretch - 1) * np.outer(v, path)
    shrunk = inverse / keep - (1 - 1 / stretch) / (keep * square) * np.outer(inverse @ v, v)
    return grown, shrunk
