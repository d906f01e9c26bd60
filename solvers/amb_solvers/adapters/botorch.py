"""Loops of BoTorch as solvers."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from amb.contracts.solver import Rows, Solver
from amb.contracts.space import FloatArray, Space
from amb.errors import SpecError
from amb_solvers.adapters.box import Box
from amb_solvers.adapters.recipe import Adapted, Recipe, finished, name_of
from amb_solvers.shared.extras import extra
from amb_solvers.shared.private_random import PrivateRandom


def log_expected_improvement(x: Any, y: Any, bounds: Any) -> Any:
    """The default proposal: LogEI on a Gaussian process, maximized by `optimize_acqf` (Ament et al. 2023)."""
    import gpytorch
    from botorch.acquisition import LogExpectedImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.optim import optimize_acqf

    model = SingleTaskGP(x, y)
    fit_gpytorch_mll(gpytorch.mlls.ExactMarginalLogLikelihood(model.likelihood, model))
    acquisition = LogExpectedImprovement(model, best_f=y.max())
    return optimize_acqf(acquisition, bounds, q=1, num_restarts=4, raw_samples=64)[0]


def from_botorch(
    propose: Callable[[Any, Any, Any], Any] = log_expected_improvement,
    *,
    initial: int = 10,
    name: str | None = None,
    version: str | None = None,
) -> type[Solver]:
    """A solver from one step of a loop of BoTorch (the extra `botorch`): data in, next points out.

    The first points are drawn from the prior. Then every step receives all points and values so far; failed queries are
    left out. Torch's random numbers are private and seeded.

    Args:
        propose: takes points, float64[n, k] in the unit cube, values, float64[n, 1], to be maximized, divided by the
            largest absolute one, and bounds, float64[2, k], zeros and ones; returns the next points, [q, k]. All are
            tensors. It ends as ``optimize_acqf(acquisition, bounds, q=..., ...)[0]`` does.
        initial: number of points drawn from the prior.
        name: its name in tables; by default that of the function.
        version: by default a hash of the function's code.

    Raises:
        SpecError: `initial` is below 1.
        SolverError: BoTorch is not installed.
    """
    botorch = extra("botorch")
    if initial < 1:
        raise SpecError(f"initial must be at least 1, got {initial}")
    recipe = Recipe(from_botorch, (propose,), {"initial": initial, "name": name, "version": version})
    default = name_of(propose, "Botorch")

    class Adapter(BotorchSolver):
        pass

    Adapter.__doc__ = f"{default}, a loop of BoTorch."
    Adapter.propose, Adapter.initial = staticmethod(propose), initial
    source = f"Balandat et al. 2020, NeurIPS (botorch {botorch.__version__})"
    return finished(Adapter, recipe, name=name or default, version=version, source=source)


class BotorchSolver(Adapted):
    """Base class of solvers that propose points from all data so far."""

    kinds = frozenset({"ordinal"})
    continuous = True
    foreign = True  # they join the data
    failed_queries = "is left out of the data"
    propose: Callable[[Any, Any, Any], Any]
    initial: int

    def __init__(self, space: Space, *, budget: int, seed: int) -> None:
        super().__init__(space, budget=budget, seed=seed)
        self._box = Box(space)
        self._private = PrivateRandom(self.seed, torch=True)
        self._x = np.empty((0, len(self._box.free)))
        self._y = np.empty(0)
        self._proposed_points = np.empty((0, len(self._box.free)))

    def _ask(self, limit: int) -> Rows:
        if not len(self._proposed_points):
            self._proposed_points = self._next()
        return self._box.rows(self._proposed_points[:limit])

    def _next(self) -> FloatArray:
        valid = ~np.isnan(self._y)
        if self._y.size < self.initial or not valid.any() or not len(self._box.free):
            return self._box.sample(self.rng)[None]
        import torch

        x = (self._x[valid] - self._box.lower) / (self._box.upper - self._box.lower)
        y = self._y[valid] / (np.abs(self._y[valid]).max() or 1.0)
        bounds = torch.stack([torch.zeros(x.shape[1]), torch.ones(x.shape[1])]).double()
        with self._private.use(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            proposed = type(self).propose(torch.from_numpy(x), torch.from_numpy(y)[:, None], bounds)
        unit = np.asarray(proposed.detach().numpy(), dtype=np.float64).reshape(-1, x.shape[1])
        return self._box.lower + unit * (self._box.upper - self._box.lower)

    def _learn_foreign(self, candidates: Rows, values: FloatArray) -> None:
        self._x = np.concatenate([self._x, candidates[:, self._box.free]])
        self._y = np.concatenate([self._y, values])

    def _tell(self, candidates: Rows, values: FloatArray) -> None:
        self._learn_foreign(candidates, values)
        self._proposed_points = self._proposed_points[len(values) :]
