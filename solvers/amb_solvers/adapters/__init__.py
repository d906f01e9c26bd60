"""Optimizers of other packages, configured by you, as solvers.

Each function returns a solver class, which goes wherever a solver does::

    from scipy.optimize import dual_annealing
    from amb_solvers.adapters import from_scipy

    Annealing = from_scipy(dual_annealing, initial_temp=100)
    amb.compare([Annealing, "cma"], "quick")

No package is imported before its function is called.
"""

from amb_solvers.adapters.ask_tell import from_ask_tell
from amb_solvers.adapters.botorch import from_botorch
from amb_solvers.adapters.cma import from_cma
from amb_solvers.adapters.function import from_function
from amb_solvers.adapters.nevergrad import from_nevergrad
from amb_solvers.adapters.optuna import from_optuna
from amb_solvers.adapters.pyribs import from_pyribs
from amb_solvers.adapters.scipy import from_scipy

__all__ = [
    "from_ask_tell",
    "from_botorch",
    "from_cma",
    "from_function",
    "from_nevergrad",
    "from_optuna",
    "from_pyribs",
    "from_scipy",
]
