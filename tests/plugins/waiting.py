"""A plug-in file whose network waits 50 ms a batch, whatever the batch's size, and leaves the processor alone."""

import time
from collections.abc import Mapping

import numpy as np

from amb import Family, FunctionProblem, Space


class WaitingRoom(Family):
    """One layer with one unit."""

    name = "waiting/room"

    def layers(self) -> Mapping[str, int]:
        return {"a": 1}

    def problem(self, layer: str, unit: int, *, device: str = "cpu", **options: object) -> FunctionProblem:
        def respond(candidates: np.ndarray) -> np.ndarray:
            time.sleep(0.05)
            return np.sin(candidates).mean(axis=1)

        return FunctionProblem(respond, Space.uniform(6, 16), id=f"{self.name}/{layer}/{unit}")
