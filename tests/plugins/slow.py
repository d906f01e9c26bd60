"""A plug-in with a slow solver, so that a process can be killed while it runs."""

import time

import numpy as np

from amb import Solver


class Dawdler(Solver):
    """Draws at random, three candidates in a tenth of a second."""

    def _ask(self, limit: int) -> np.ndarray:
        time.sleep(0.1)
        return self.space.sample(min(limit, 3), self.rng)
