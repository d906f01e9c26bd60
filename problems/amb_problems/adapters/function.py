"""A problem as a plain function of a point, with bounds, that records its trace."""

import numpy as np
from numpy.typing import ArrayLike

from amb.catalogue.problems import problem as load
from amb.contracts.problem import Problem
from amb.contracts.real_numbers import as_numbers
from amb.contracts.space import FloatArray, IntArray
from amb.errors import BudgetExhausted, SpecError


class ProblemFunction:
    """A function of a point that is evaluated on a problem, and the record of what was evaluated.

    Called with one point, float[d], it returns a number; with several, float[n, d], an array float64[n]. Points are
    latents, rounded to the nearest grid point and clipped to the box; on a categorical space, level numbers from 0,
    rounded. What is no real number raises ValueError.

    Args:
        problem: what is evaluated, as solvers observe it: with noise, if it has any.
        minimize: whether to return negated values, for packages that minimize.
        budget: evaluations after which it refuses; None for no limit.

    Attributes:
        problem, minimize, budget: as given.
        lower, upper: ends of every dimension, float64[d].
        bounds: the same as d pairs (low, high).
        candidates: grid points in the order of their evaluation, int64[n, d].
        values: what was observed of them, to be maximized whatever `minimize` says, float64[n]; NaN if it failed.
    """

    def __init__(self, problem: Problem, *, minimize: bool = False, budget: int | None = None) -> None:
        if budget is not None and budget < 1:
            raise SpecError(f"the budget must be at least 1 query, got {budget}")
        self.problem, self.minimize, self.budget = problem, minimize, budget
        space = problem.space
        self.lower = np.full(space.d, space.low) if space.ordinal else np.zeros(space.d)
        self.upper = np.full(space.d, space.high) if space.ordinal else (space.levels - 1).astype(np.float64)
        self._candidates: list[IntArray] = []
        self._values: list[FloatArray] = []
        self.__name__ = problem.id

    @property
    def bounds(self) -> list[tuple[float, float]]:
        return list(zip(self.lower.tolist(), self.upper.tolist(), strict=True))

    @property
    def candidates(self) -> IntArray:
        return np.concatenate([np.empty((0, self.problem.space.d), dtype=np.int64), *self._candidates])

    @property
    def values(self) -> FloatArray:
        return np.concatenate([np.empty(0), *self._values])

    @property
    def queries(self) -> int:
        """How many points were evaluated."""
        return sum(map(len, self._values))

    @property
    def best(self) -> IntArray:
        """The grid point with the highest value, int64[d].

        Raises:
            SpecError: no evaluation has succeeded.
        """
        values = self.values
        if np.isnan(values).all():
            raise SpecError("there is no best candidate: no evaluation has succeeded yet")
        chosen: IntArray = self.candidates[int(np.nanargmax(values))]
        return chosen

    def __call__(self, point: ArrayLike) -> float | FloatArray:
        points = as_numbers(point)
        values = self.evaluate(self.rounded(np.atleast_2d(points)))
        signed = -values if self.minimize else values
        return signed if points.ndim == 2 else float(signed[0])

    def rounded(self, points: FloatArray) -> IntArray:
        """The grid points nearest to points, float64[n, d] -> int64[n, d].

        Raises:
            CandidateError: wrong shape, or NaN.
        """
        space = self.problem.space
        if space.ordinal:
            return space.nearest(points)
        return space.check(np.rint(np.clip(points, self.lower, self.upper)).astype(np.int64))

    def evaluate(self, candidates: IntArray) -> FloatArray:
        """Values of grid points, int64[n, d] -> float64[n], recorded.

        Raises:
            BudgetExhausted: there are more than the budget allows; nothing is evaluated.
        """
        if self.budget is not None and self.queries + len(candidates) > self.budget:
            raise BudgetExhausted(f"{self.problem.id}: the budget of {self.budget} queries is spent")
        values = np.array(self.problem.evaluate(candidates), dtype=np.float64)
        values[~np.isfinite(values)] = np.nan
        self._candidates.append(np.array(candidates))
        self._values.append(values)
        return values


def as_callable(problem: Problem | str, *, minimize: bool = False, budget: int | None = None) -> ProblemFunction:
    """A problem as a function of a point, with `bounds`, that records `candidates` and `values`.

    Args:
        problem: the problem, or its id.
        minimize: see `ProblemFunction`.
        budget: see `ProblemFunction`.

    Raises:
        SpecError: no such problem, or a budget below 1.
    """
    return ProblemFunction(load(problem) if isinstance(problem, str) else problem, minimize=minimize, budget=budget)
