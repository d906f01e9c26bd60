"""A plug-in file as a newcomer would write it: one family of problems and two solvers, good and bad."""

from collections.abc import Mapping

import numpy as np

from amb import Family, FunctionProblem, Solver, Space


class Bowl(Family):
    """Unit `u` likes the grid point whose every coordinate is 1 + u / 10; its response is at most 1."""

    name = "toy/bowl"

    def layers(self) -> Mapping[str, int]:
        return {"near": 4, "far": 10}

    def problem(self, layer: str, unit: int, *, device: str = "cpu", **options: object) -> FunctionProblem:
        space = Space.uniform(6, 16)
        peak = (1 if layer == "near" else 2) + unit / 10

        def respond(candidates: np.ndarray) -> np.ndarray:
            return np.exp(-np.square(space.decode(candidates) - peak).mean(axis=1) / 4)

        return FunctionProblem(respond, space, id=f"{self.name}/{layer}/{unit}")


class Climber(Solver):
    """Changes one mode of the best candidate at a time."""

    def __init__(self, space: Space, *, budget: int, seed: int, batch: int = 4) -> None:
        super().__init__(space, budget=budget, seed=seed)
        self.batch = batch

    def _ask(self, limit: int) -> np.ndarray:
        n = min(limit, self.batch)
        if self._best is None:
            return self.space.sample(n, self.rng)
        children = np.repeat(self._best[None], n, axis=0)
        modes = self.rng.integers(0, self.space.d, n)
        children[np.arange(n), modes] = self.rng.integers(0, self.space.levels[modes])
        return children


class Crasher(Solver):
    """Raises after its first batch."""

    def _ask(self, limit: int) -> np.ndarray:
        if self.asked:
            raise RuntimeError("the lamp is broken")
        return self.space.sample(min(limit, 3), self.rng)
