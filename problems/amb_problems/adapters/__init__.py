"""Problems of `amb` for other packages: a plain function, and what ioh, Optuna and Nevergrad call a problem.

No package is imported before its function is called.
"""

from amb_problems.adapters.function import ProblemFunction, as_callable
from amb_problems.adapters.ioh import as_ioh
from amb_problems.adapters.nevergrad import as_nevergrad
from amb_problems.adapters.optuna import as_optuna

__all__ = ["ProblemFunction", "as_callable", "as_ioh", "as_nevergrad", "as_optuna"]
