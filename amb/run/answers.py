"""What a solver answers, checked where untrusted code is called: in the bench's process or in the solver's own."""

import numpy as np

from amb.contracts.solver import Solver
from amb.contracts.space import IntArray, Space, refuse_masked
from amb.errors import CandidateError, SolverError


def ask(solver: Solver, space: Space, most: int) -> IntArray:
    """The candidates that a solver asks for, a copy; they need no check before they are evaluated.

    Raises:
        CandidateError: wrong shape, type or range.
        SolverError: no candidate, or more than `most`.
    """
    candidates = space.check(solver.ask())
    if not 1 <= len(candidates) <= most:
        raise SolverError(f"asked for {len(candidates)} candidates; the limits are 1..{most}")
    return candidates


def recommend(solver: Solver, space: Space) -> IntArray:
    """The candidate that a solver recommends, int64[d], a copy.

    Raises:
        CandidateError: wrong shape, type or range.
    """
    given = solver.recommend()
    refuse_masked(given, "a recommendation")
    answer = np.asarray(given)
    if answer.shape != (space.d,):
        raise CandidateError(f"a recommendation must have shape [{space.d}], got {list(answer.shape)}")
    return space.check(answer[None])[0]
