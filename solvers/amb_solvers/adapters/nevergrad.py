"""Nevergrad's optimizers, configured by you, as solvers."""

from collections.abc import Callable
from typing import Any

from amb.contracts.solver import Solver
from amb.contracts.space import Space
from amb_solvers.adapters.recipe import Adapted, Recipe, finished, name_of


def from_nevergrad(
    optimizer: Callable[..., Any],
    *,
    parametrization: str = "auto",
    workers: int = 1,
    name: str | None = None,
    version: str | None = None,
) -> type[Solver]:
    """A solver from an optimizer of Nevergrad, such as ``ng.optimizers.ParametrizedCMA(scale=0.5)``.

    One that Nevergrad registers under a name needs no adapter: ``nevergrad[name=TwoPointsDE]``.

    Args:
        optimizer: a class or a configured optimizer, called with `parametrization`, `budget` and `num_workers`.
        parametrization: as for the solver `nevergrad`.
        workers: as for the solver `nevergrad`.
        name: its name in tables; by default that of the class.
        version: by default a hash of the optimizer's configuration.

    Raises:
        SpecError: an unknown parametrization, or an optimizer of which it cannot be told whether it has changed.
    """
    from amb_solvers.zoos.nevergrad import Nevergrad

    recipe = Recipe(
        from_nevergrad,
        (optimizer,),
        {"parametrization": parametrization, "workers": workers, "name": name, "version": version},
    )

    class Adapter(Adapted, Nevergrad):
        """An optimizer of Nevergrad with a configuration of your own."""

        kinds = frozenset({"ordinal"}) if parametrization in Nevergrad.ordered else Nevergrad.kinds

        def __init__(self, space: Space, *, budget: int, seed: int) -> None:
            super().__init__(space, budget=budget, seed=seed, parametrization=parametrization, workers=workers)

        def _optimizer_of(self, name: str) -> Callable[..., Any]:
            return optimizer

    default = name_of(optimizer, type(optimizer).__name__)
    return finished(Adapter, recipe, name=name or default, version=version, source=Nevergrad.source)
