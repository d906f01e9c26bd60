"""A problem as a function of Nevergrad's experiments."""

from typing import Any

import numpy as np

from amb.contracts.problem import Problem
from amb_problems.adapters.function import as_callable


def as_nevergrad(problem: Problem | str) -> Any:
    """A ``nevergrad.functions.ExperimentFunction``, for Nevergrad's optimizers and experiments; it is minimized.

    Its one argument is an array in the latent box; on a categorical space, a choice of level for every dimension. It
    returns the negated value, infinity for a failed query.

    Args:
        problem: the problem, or its id.

    Raises:
        SpecError: no such problem.
    """
    import nevergrad as ng
    from nevergrad.functions import ExperimentFunction

    function = as_callable(problem, minimize=True)
    space = function.problem.space
    if space.ordinal:
        parameter: Any = ng.p.Array(shape=(space.d,), lower=space.low, upper=space.high)
    else:
        parameter = ng.p.Tuple(*[ng.p.Choice(range(int(number))) for number in space.levels])

    def loss(point: Any) -> float:
        value = float(function(np.asarray(point, dtype=np.float64)))
        return np.inf if np.isnan(value) else value

    experiment = ExperimentFunction(loss, ng.p.Instrumentation(parameter).set_name(function.problem.id))
    experiment.function_of_amb = function
    return experiment
