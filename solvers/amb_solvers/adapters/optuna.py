"""Optuna's samplers, configured by you, as solvers."""

from collections.abc import Callable
from typing import Any

from amb.contracts.solver import Solver
from amb.contracts.space import Space
from amb_solvers.adapters.offer import wanted
from amb_solvers.adapters.recipe import Adapted, Recipe, finished, name_of
from amb_solvers.zoos.optuna import Optuna


def from_optuna(
    sampler: Callable[..., Any],
    *,
    name: str | None = None,
    version: str | None = None,
    **options: object,
) -> type[Solver]:
    """A solver from a sampler of Optuna (the extra `optuna`), such as ``TPESampler`` with ``multivariate=True``.

    One with its default settings needs no adapter: ``optuna[sampler=TPE]``.

    Args:
        sampler: the sampler's class, or a function; it is called with `seed` and the options.
        name: its name in tables; by default that of the class.
        version: by default a hash of the options, and of the code if it is a function of your own.
        options: the sampler's own.

    Raises:
        SpecError: the sampler takes no such option, or no seed.
    """
    wanted(sampler, ("seed",), first=0, **options)
    recipe = Recipe(from_optuna, (sampler,), {"name": name, "version": version} | options)

    class Adapter(Adapted, Optuna):
        """A sampler of Optuna with settings of your own."""

        def __init__(self, space: Space, *, budget: int, seed: int) -> None:
            super().__init__(space, budget=budget, seed=seed)

        def _sampler_of(self, name: str) -> Callable[..., Any]:
            return lambda seed: sampler(seed=seed, **options)

    default = name_of(sampler, "Sampler")
    return finished(Adapter, recipe, name=name or default, version=version, source=Optuna.source)
