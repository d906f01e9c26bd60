"""The `protes` package's own functions behind ask and tell: its candidates exactly, for comparison."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.experimental import enable_x64
from protes.protes import _generate_initial, _interface_matrices, _likelihood, _sample

from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SolverError
from amb_solvers.tensor_train.protes import Protes

# The package makes these anew in every call, and compiles them again; three stages, each on its own.
_interfaces = jax.jit(_interface_matrices)
_samples: Callable[..., Any] = jax.jit(jax.vmap(_sample, (None, None, None, None, 0)))
_likelihoods = jax.jit(jax.vmap(_likelihood, (None, None, None, None, 0)))


class ProtesReference(Protes):
    """PROTES by the package's own arithmetic and random keys.

    With the package's seed, and told the same values, it asks the package's candidates, batch after batch.
    Slower than `protes`, and it needs the extra `reference`. It takes what the package takes: two modes or
    more, all with the same number of levels.

    Args:
        minimize: give the package minus the values and ``is_max=False``. The methods differ in ties only: of
            equal values the last is elite when it maximizes, the first when it minimizes.
    """

    def __init__(self, space: Space, *, budget: int, seed: int, minimize: bool = False, **options: Any) -> None:
        self.minimize = minimize
        super().__init__(space, budget=budget, seed=seed, **options)

    def _start(self) -> None:
        if len(self.levels) < 2 or (self.levels != self.levels[0]).any():
            raise SolverError(
                "the protes package needs at least two modes, all with the same number of levels, "
                f"got levels {self.levels.tolist()[:10]}; use protes, tt-s or tt-b"
            )
        seed = int(np.uint64(self.seed % 2**64).view(np.int64))  # a run's has 64 bits, and JAX wants them signed
        with self._precision():
            self._key, key = jax.random.split(jax.random.PRNGKey(seed))
            cores = _generate_initial(len(self.levels), int(self.levels[0]), self.r, key)
            self._keep(self._key, optax.adam(self.lr).init(cores), cores)

    def _sample(self) -> IntArray:
        with self._precision():
            left, middle, right = map(jnp.asarray, self._cores)
            interfaces = _interfaces(middle, right)
            rest, key = jax.random.split(jnp.asarray(self._key))
            rows = _samples(left, middle, right, interfaces, jax.random.split(key, self.k))
            self._keep(rest, self._adam, self._cores)
            return np.asarray(rows).astype(np.int64)

    def _learn(self, values: FloatArray) -> None:
        there = ~np.isnan(values)
        if not there.any():
            return
        with self._precision():
            # In the package's precision: what is equal in float32 is a tie.
            worst = np.inf if self.minimize else -np.inf
            order = jnp.argsort(jnp.array(np.where(there, -values if self.minimize else values, worst)))
            best = np.asarray(order if self.minimize else order[::-1])
            self._fit(self._rows[best[: min(self.k_top, np.count_nonzero(there))]])

    def _fit(self, elite: IntArray) -> None:
        with self._precision():
            state, cores = self._adam, self._cores
            for _ in range(self.k_gd):
                state, cores = _optimize(state, cores, jnp.asarray(elite, dtype=jnp.int32), self.lr)
            self._keep(self._key, state, cores)

    def _precision(self) -> AbstractContextManager[Any]:
        return enable_x64(self.x64)

    def _keep(self, key: Any, adam: Any, cores: Any) -> None:
        """State is numpy's: a float64 array of JAX would be unpickled as float32 outside `enable_x64`."""
        self._key, self._adam, self._cores = jax.tree_util.tree_map(np.asarray, (key, adam, cores))


@jax.jit
def _loss(cores: Any, elite: Any) -> Any:
    left, middle, right = cores
    likelihoods = _likelihoods(left, middle, right, _interfaces(middle, right), elite)
    return jnp.mean(-likelihoods)


@partial(jax.jit, static_argnames="rate")
def _optimize(state: Any, cores: Any, elite: Any, rate: float) -> tuple[Any, Any]:
    updates, state = optax.adam(rate).update(jax.grad(_loss)(cores, elite), state)
    return state, jax.tree_util.tree_map(lambda p, u: p + u, cores, updates)
