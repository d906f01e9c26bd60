"""The `protes` package's own functions, compiled once; importing this needs the extra `reference`.

Call all of them within `usual_jax`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from protes.protes import _generate_initial, _interface_matrices, _likelihood, _sample

from amb.contracts.space import FloatArray, IntArray

# The package builds these in every call and compiles them again; three stages, each compiled by itself.
_interfaces = jax.jit(_interface_matrices)
_samples: Callable[..., Any] = jax.jit(jax.vmap(_sample, (None, None, None, None, 0)))
_likelihoods = jax.jit(jax.vmap(_likelihood, (None, None, None, None, 0)))


def start(seed: int, d: int, n: int, r: int, rate: float) -> tuple[Any, Any, Any]:
    """Random key, Adam's state and cores with which the package begins, as numpy arrays."""
    rest, key = jax.random.split(jax.random.PRNGKey(seed))
    cores = _generate_initial(d, n, r, key)
    return as_numpy((rest, optax.adam(rate).init(cores), cores))


def sample(key: Any, cores: Any, k: int) -> tuple[Any, IntArray]:
    """The key of the next batch, and `k` multi-indices, int64[k, d]."""
    left, middle, right = map(jnp.asarray, cores)
    rest, key = jax.random.split(jnp.asarray(key))
    rows = _samples(left, middle, right, _interfaces(middle, right), jax.random.split(key, k))
    return as_numpy(rest), np.asarray(rows).astype(np.int64)


def ascending(values: FloatArray) -> IntArray:
    """Positions of values in ascending order, in the package's precision: what is equal in float32 is a tie."""
    return np.asarray(jnp.argsort(jnp.array(values)))


def fit(state: Any, cores: Any, elite: IntArray, rate: float, steps: int) -> tuple[Any, Any]:
    """Adam's state and cores after some steps towards the elite, int64[m, d]."""
    for _ in range(steps):
        state, cores = _optimize(state, cores, jnp.asarray(elite, dtype=jnp.int32), rate)
    return as_numpy((state, cores))


def as_numpy(tree: Any) -> Any:
    """Numpy arrays: a float64 array of JAX would be unpickled as float32 outside `usual_jax(x64=True)`."""
    return jax.tree_util.tree_map(np.asarray, tree)


@jax.jit
def _loss(cores: Any, elite: Any) -> Any:
    left, middle, right = cores
    likelihoods = _likelihoods(left, middle, right, _interfaces(middle, right), elite)
    return jnp.mean(-likelihoods)


@partial(jax.jit, static_argnames="rate")
def _optimize(state: Any, cores: Any, elite: Any, rate: float) -> tuple[Any, Any]:
    updates, state = optax.adam(rate).update(jax.grad(_loss)(cores, elite), state)
    return state, jax.tree_util.tree_map(lambda p, u: p + u, cores, updates)
