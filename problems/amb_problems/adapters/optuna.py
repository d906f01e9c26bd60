"""A problem as an objective of Optuna."""

from typing import Any

import numpy as np

from amb.contracts.problem import Problem
from amb_problems.adapters.function import ProblemFunction, as_callable


class OptunaObjective:
    """An objective for ``study.optimize`` with ``direction="maximize"``.

    Every dimension with a choice is a parameter, named by its number: an integer level if levels have an order, else a
    category. A failed query returns NaN, so Optuna marks the trial as failed.

    Attributes:
        function: evaluates the grid points and records them.
    """

    def __init__(self, function: ProblemFunction) -> None:
        self.function = function

    def __call__(self, trial: Any) -> float:
        space = self.function.problem.space
        candidate = np.zeros((1, space.d), dtype=np.int64)
        for dimension in np.flatnonzero(space.levels > 1).tolist():
            name, number = str(dimension), int(space.levels[dimension])
            if space.ordinal:
                candidate[0, dimension] = trial.suggest_int(name, 0, number - 1)
            else:
                candidate[0, dimension] = trial.suggest_categorical(name, list(range(number)))
        return float(self.function.evaluate(candidate)[0])


def as_optuna(problem: Problem | str) -> OptunaObjective:
    """An objective of Optuna: ``optuna.create_study(direction="maximize").optimize(as_optuna(...), n_trials=100)``.

    Args:
        problem: the problem, or its id.

    Raises:
        SpecError: no such problem.
    """
    return OptunaObjective(as_callable(problem))
