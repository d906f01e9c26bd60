"""Functions of `scipy.optimize` as solvers."""

from collections.abc import Callable

from amb.contracts.solver import Solver
from amb.errors import SpecError, unknown
from amb_solvers.adapters.function import FunctionSolver
from amb_solvers.adapters.offer import wanted
from amb_solvers.adapters.recipe import Recipe, finished, name_of

OFFERED = ("x0", "bounds", "rng", "seed")
GLOBAL = ("basinhopping", "differential_evolution", "direct", "dual_annealing", "minimize", "shgo")


def from_scipy(
    function: str | Callable[..., object] = "differential_evolution",
    *,
    name: str | None = None,
    version: str | None = None,
    **options: object,
) -> type[Solver]:
    """A solver from a function of `scipy.optimize`, called again with another start and seed when it has converged.

    It is given `bounds`, `x0` and `rng` where it takes them: in the latent box, from a point drawn from the prior.

    Args:
        function: ``scipy.optimize.differential_evolution``, ``minimize``, ``dual_annealing``, ``direct``, ``shgo`` or
            ``basinhopping``, the function or its name.
        name: its name in tables.
        version: by default a hash of the function's name and of the options.
        options: the function's own, such as ``method="Powell"``.

    Raises:
        SpecError: no such function or option.
    """
    import scipy
    from scipy import optimize

    if isinstance(function, str):
        if function not in GLOBAL:
            raise unknown("function of scipy.optimize", function, GLOBAL)
        chosen: Callable[..., object] = getattr(optimize, function)
    else:
        chosen = function
    if not callable(chosen):
        raise SpecError(f"expected a function of scipy.optimize or its name, got {function!r}")
    takes = wanted(chosen, OFFERED, first=1, **options)
    if {"rng", "seed"} <= takes:
        takes -= {"seed"}
    recipe = Recipe(from_scipy, (function,), {"name": name, "version": version} | options)
    default = name_of(chosen, "Scipy") if "method" not in options else str(options["method"]).replace("-", "")

    class Adapter(FunctionSolver):
        kinds = frozenset({"ordinal"})
        continuous = True

    Adapter.call = staticmethod(lambda objective, offer: chosen(objective, **offer.only(takes), **options))
    Adapter.__doc__ = f"``scipy.optimize.{getattr(chosen, '__name__', chosen)}`` in the latent box, restarted."
    return finished(
        Adapter,
        recipe,
        name=name or default,
        version=version,
        source=f"Virtanen et al. 2020, Nat. Methods 17, 261-272 (scipy {scipy.__version__})",
    )
