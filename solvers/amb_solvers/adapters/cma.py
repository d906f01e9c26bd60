"""pycma's strategies as solvers."""

from collections.abc import Mapping
from typing import Any

from amb.contracts.solver import Solver
from amb.errors import SpecError
from amb_solvers.adapters.ask_tell import AskTellSolver
from amb_solvers.adapters.offer import Offer
from amb_solvers.adapters.recipe import Recipe, finished


def from_cma(
    options: Mapping[str, object] | None = None,
    *,
    sigma: float = 1.0,
    bounded: bool = False,
    name: str = "Pycma",
    version: str | None = None,
) -> type[Solver]:
    """A solver from options of ``cma.CMAEvolutionStrategy``, started at the prior's mean and restarted when it stops.

    Args:
        options: pycma's, as ``cma.CMAOptions()`` lists them, such as ``{"popsize": 20, "CMA_active": False}``; `seed`
            and `bounds` are set by the adapter.
        sigma: initial step size, in latent units.
        bounded: whether pycma sees the box and keeps to it; otherwise points beyond it are rounded to its edge.
        name: its name in tables.
        version: by default a hash of the options.

    Raises:
        SpecError: an option that pycma does not have, or one that the adapter sets.
    """
    import cma

    chosen = dict(options or {})
    for option in chosen:
        if option in ("seed", "bounds"):
            raise SpecError(f"the adapter sets pycma's option {option}; leave it out (bounded=True keeps to the box)")
    try:
        cma.CMAOptions(chosen).check(chosen) if chosen else None
    except ValueError as cause:
        raise SpecError(f"pycma refuses these options: {cause}") from cause
    recipe = Recipe(from_cma, (chosen,), {"sigma": sigma, "bounded": bounded, "name": name, "version": version})

    class Adapter(AskTellSolver):
        """pycma's CMA-ES with options of your own, in the latent box."""

        kinds = frozenset({"ordinal"})
        continuous = True
        fewest = 2

        def make(self, offer: Offer) -> Any:
            values = offer.only(("lower", "upper", "seed"))
            box = {"bounds": [values["lower"].tolist(), values["upper"].tolist()]} if bounded else {}
            return cma.CMAEvolutionStrategy(
                self._box.mean(), sigma, {"verbose": -9, **box, **chosen, "seed": max(1, values["seed"] % 2**31)}
            )

    source = "Hansen & Ostermeier 2001, Evol. Comput. 9, 159-195 (pycma 4)"
    return finished(Adapter, recipe, name=name, version=version, source=source)
