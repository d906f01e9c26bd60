"""Natural images as stimuli: what an experimenter would show first, and what a search has to beat."""

from pathlib import Path

import numpy as np

from amb.contracts.solver import Solver
from amb.contracts.space import IntArray, Space
from amb.errors import CandidateError, SolverError, SpecError


class Natural(Solver):
    """Shows a pool of natural images, in an order drawn by the seed, and stands by the best.

    The images pass through the generator's encoder beforehand, so that they are points of its grid:
    ``numpy.save("pool.npy", problem.encode(images))``. When the pool is spent, the generator's prior is drawn from.

    Args:
        pool: name of a file in the working directory, int[n, d] as ``Problem.encode`` gives them. Without one, all
            candidates are drawn from the prior, as `random-prior` does. A run knows the name alone: give another pool
            another name, or a study goes on with the runs of the first.
        k: candidates asked at a time; it changes no candidate.

    Raises:
        SpecError: the file is missing, or holds no candidates.
        SolverError: they are of another grid.
    """

    failed_queries = "changes nothing"
    source = "Bashivan, Kar & DiCarlo 2019, Science 364, eaav9436 (best of the natural images shown)"

    def __init__(self, space: Space, *, budget: int, seed: int, pool: str = "", k: int = 32) -> None:
        super().__init__(space, budget=budget, seed=seed)
        if k < 1:
            raise SpecError(f"k must be at least 1, got {k}")
        self.k = k
        self._order = self.rng.permutation(read_pool(pool, space)) if pool else np.empty((0, space.d), np.int64)
        self._shown = 0

    def _ask(self, limit: int) -> IntArray:
        rows = self._order[self._shown : self._shown + min(self.k, limit)]
        self._shown += len(rows)
        return rows if len(rows) else self.space.sample_prior(min(self.k, limit), self.rng)


def read_pool(name: str, space: Space) -> IntArray:
    """Candidates of a file that `numpy.save` wrote: int64[n, d].

    Raises:
        SpecError: the file is missing, or holds no candidates.
        SolverError: they are of another grid.
    """
    how = 'write one with numpy.save("pool.npy", problem.encode(images))'
    try:
        found = np.load(Path(name), allow_pickle=False)
    except (OSError, ValueError, EOFError) as cause:
        raise SpecError(f"cannot read the pool {name}: {cause}; {how}") from cause
    if not isinstance(found, np.ndarray) or not len(found):
        raise SpecError(f"pool {name} holds no candidates; {how}")
    try:
        return space.check(found)
    except CandidateError as cause:
        raise SolverError(f"pool {name} is of another grid: {cause}; {how}") from cause
