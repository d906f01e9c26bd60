"""A solver that fails after four queries."""

from amb import Solver
from amb.contracts.space import IntArray


class Crashing(Solver):
    """Crashes, as the solver of this name did in the study that version 0.1 left."""

    name = "crashing"

    def _ask(self, limit: int) -> IntArray:
        if self.asked >= 4:
            raise RuntimeError("the rig fell over")
        return self.space.sample(1, self.rng)
