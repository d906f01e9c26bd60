"""A strategy of the package pycma whose random numbers come from the caller."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from amb.contracts.space import FloatArray
from amb_solvers.shared.private_random import PrivateRandom


def strategy(mean: FloatArray, deviation: float, *, k: int, diagonal: bool, normals: Callable[..., FloatArray]) -> Any:
    """A ``cma.CMAEvolutionStrategy``, which minimizes.

    Args:
        mean: of the first population.
        deviation: initial step size.
        k: population size.
        diagonal: adapt the variances only.
        normals: returns standard normal numbers of a shape, such as ``normals(3, 128)``.
    """
    import cma

    options = {
        "popsize": k,
        "CMA_diagonal": diagonal,
        "verbose": -9,
        # pycma reseeds numpy's global state unless its seed is NaN and its normal numbers come from here.
        "seed": np.nan,
        "randn": normals,
    }
    return cma.CMAEvolutionStrategy(mean, deviation, options)


@contextmanager
def quiet(private: PrivateRandom) -> Iterator[None]:
    """Run pycma without its warnings, on private random streams."""
    with private.use(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
