"""A solver in a package of its own: the (1+1) evolution strategy with the one-fifth success rule."""

import numpy as np

from amb import Solver, Space


class OneFifth(Solver):
    """One parent and one Gaussian child; the step grows after a success and shrinks after a failure.

    It starts at a draw of the prior. A failed query counts as a failure.

    Args:
        step: first step, in latent units.
    """

    kinds = frozenset({"ordinal"})
    continuous = True
    source = "Rechenberg 1973, Evolutionsstrategie; Kern et al. 2004, Nat. Comput. 3, 77-112"

    def __init__(self, space: Space, *, budget: int, seed: int, step: float = 1.0) -> None:
        super().__init__(space, budget=budget, seed=seed)
        self.step = step
        self.parent = np.zeros(space.d)
        self.value = -np.inf  # until a draw of the prior has one

    def _ask(self, limit: int) -> np.ndarray:
        if np.isinf(self.value):
            return self.space.decode(self.space.sample_prior(1, self.rng))
        child = self.parent + self.step * self.rng.standard_normal(self.space.d)
        return np.clip(child, self.space.low, self.space.high)[None]

    def _tell(self, latents: np.ndarray, values: np.ndarray) -> None:
        if values[0] >= self.value:
            self.parent, self.value = latents[0], float(values[0])
            self.step = min(self.step * 1.5, self.space.high - self.space.low)
        elif not np.isinf(self.value):
            self.step *= 1.5**-0.25
