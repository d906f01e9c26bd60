"""JAX without what a program has set for all of it, which would change what solvers ask for."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def usual_jax(*, x64: bool = False) -> Iterator[None]:
    """A context with the numbers, random keys and conversions that JAX 0.4 begins with.

    Args:
        x64: compute in float64 instead of float32.
    """
    import jax
    from jax._src.config import random_seed_offset  # a flag without a public context
    from jax.experimental import enable_x64

    with (
        enable_x64(x64),
        jax.threefry_partitionable(False),
        jax.default_prng_impl("threefry2x32"),
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
        jax.legacy_prng_key("allow"),
        jax.transfer_guard("allow"),
        random_seed_offset(0),
    ):
        yield
