"""Natural images as stimuli, which an experimenter would show first and a search must improve on."""

from pathlib import Path

import numpy as np

from amb.contracts.solver import Solver
from amb.contracts.space import IntArray, Space
from amb.errors import CandidateError, SolverError, SpecError
from amb.study.untrusted import MEBIBYTE, load_array

LARGEST_POOL = 1024 * MEBIBYTE


class Natural(Solver):
    """Shows a pool of natural images in random order and recommends the best.

    The images must have passed through the generator's encoder, so that they are points of its grid:
    ``numpy.save("pool.npy", problem.encode(images))``. After the pool, candidates are drawn from the prior.

    Args:
        pool: a file in the working directory with candidates int[n, d], as ``Problem.encode`` returns them. Without
            one, all candidates are drawn from the prior, as in `random-prior`. Runs are identified by this name only:
            give a different pool a different name; otherwise a study reuses the runs of the first.
        k: candidates per ask; it does not change which candidates are asked.

    Raises:
        SpecError: the file is missing or contains no candidates.
        SolverError: the candidates belong to a different grid.
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
    """The candidates in a file that `numpy.save` wrote, int64[n, d].

    Raises:
        SpecError: the file is missing or contains no candidates.
        SolverError: the candidates belong to a different grid.
    """
    how = 'write one with numpy.save("pool.npy", problem.encode(images))'
    try:
        rows = load_array(Path(name), LARGEST_POOL)
    except (OSError, ValueError) as cause:
        raise SpecError(f"cannot read the pool {name}: {cause}; {how}") from cause
    if rows.ndim == 0 or not len(rows):
        raise SpecError(f"pool {name} contains no candidates; {how}")
    try:
        return space.check(rows)
    except CandidateError as cause:
        raise SolverError(f"pool {name} belongs to a different grid: {cause}; {how}") from cause
