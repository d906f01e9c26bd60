"""Evosax's evolution strategies by name."""

import warnings
from functools import cache
from typing import Any

import numpy as np

from amb.contracts.space import FloatArray, Space
from amb.errors import SpecError, unknown
from amb_solvers.shared.cma_defaults import population
from amb_solvers.shared.extras import extra
from amb_solvers.shared.latent_box import BoxSolver, prior_moments
from amb_solvers.shared.losses import losses
from amb_solvers.shared.usual_jax import usual_jax


class Evosax(BoxSolver):
    """Any strategy of evosax (the extra `evosax`), in the latent box in units of the prior's deviation.

    Random keys are explicit: generation g uses ``fold_in(PRNGKey(seed), g)``, and nothing else is drawn. Strategies
    with a mean start at the prior's mean; those that draw a population from a box get one with the prior's standard
    deviation. Evosax minimizes, so it receives the negated values. A failed query counts as the worst of its
    population; if a whole population fails, a new one is drawn. Only arrays are pickled.

    Args:
        name: a name in ``evosax.Strategies``.
        k: population size; 0 means ``4 + 3 log d``, rounded up to an even number.
        scale: initial step size in standard deviations of the prior; 0 means the strategy's own.
    """

    failed_queries = "counts as the worst of its population"
    source = "Lange 2023, GECCO companion (evosax 0.1.6)"

    def __init__(
        self, space: Space, *, budget: int, seed: int, name: str = "Sep_CMA_ES", k: int = 0, scale: float = 1.0
    ) -> None:
        super().__init__(space, budget=budget, seed=seed)
        strategies = extra("evosax").Strategies
        if name not in strategies:
            raise unknown("evosax strategy", name, strategies)
        if k < 0 or k == 1 or scale < 0:
            raise SpecError(f"expected k = 0 or k >= 2, and scale >= 0, got k={k}, scale={scale}")
        self.name, self.scale = name, scale
        self.k = k or 2 * -(-population(space.d) // 2)
        self._mean, self._deviation = prior_moments(space)
        self._generation = 0
        self._points: FloatArray = np.empty((0, space.d), np.float32)
        try:
            self._state: Any = None
            with usual_jax():
                self._strategy()
        except (TypeError, AssertionError, ValueError) as cause:
            raise SpecError(f"evosax's {name} refuses k={self.k} in {space.d} dimensions: {cause}") from cause

    def _generate(self) -> FloatArray:
        with usual_jax():
            strategy, params = self._strategy()
            if self._state is None:
                self._state = strategy.initialize(self._key(), params)
            points, self._state = strategy.ask(self._key(), self._state, params)
            self._points = np.asarray(points)
        # A strategy may overflow on huge values: NaN becomes the prior's mean, infinity the edge of the box.
        finite = np.nan_to_num(self._points.astype(np.float64), nan=0.0, posinf=1e9, neginf=-1e9)
        return self._mean + self._deviation * finite

    def _learn(self, values: FloatArray) -> None:
        negated = losses(values)
        if negated is None:
            return
        with usual_jax(), warnings.catch_warnings(), np.errstate(over="ignore"):
            strategy, params = self._strategy()
            warnings.simplefilter("ignore")
            self._state = strategy.tell(self._points, negated.astype(np.float32), self._state, params)

    def _key(self) -> Any:
        import jax

        self._generation += 1
        return jax.random.fold_in(jax.random.PRNGKey(self.seed % 2**32), self._generation)

    def _strategy(self) -> tuple[Any, Any]:
        return _compiled(self.name, self.k, self.space.d, self.scale)

    def __getstate__(self) -> dict[str, Any]:
        import jax

        return {**self.__dict__, "_state": jax.tree_util.tree_map(np.asarray, self._state)}


@cache
def _compiled(name: str, k: int, d: int, scale: float) -> tuple[Any, Any]:
    """A strategy and its settings; shared between solvers, since it has no state and JAX compiles each instance."""
    strategy = extra("evosax").Strategies[name](popsize=k, num_dims=d)
    params = strategy.default_params
    if scale and hasattr(params, "sigma_init"):
        params = params.replace(sigma_init=scale)
    if getattr(params, "init_min", 0.0) < getattr(params, "init_max", 0.0):
        width = float(np.sqrt(3) * (scale or 1.0))  # of a uniform box with that standard deviation
        params = params.replace(init_min=-width, init_max=width)
    return strategy, params
