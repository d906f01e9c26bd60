"""A plug-in whose unit 0 never answers: every query of it fails."""

from collections.abc import Mapping

import numpy as np

from amb import Family, FunctionProblem, Space


class Silent(Family):
    """Unit 0 answers NaN to every candidate, any other unit the mean of the candidate's levels."""

    name = "silent/unit"

    def layers(self) -> Mapping[str, int]:
        return {"only": 3}

    def problem(self, layer: str, unit: int, *, device: str = "cpu", **options: object) -> FunctionProblem:
        def respond(candidates: np.ndarray) -> np.ndarray:
            return np.full(len(candidates), np.nan) if unit == 0 else candidates.mean(axis=1) / 16

        return FunctionProblem(respond, Space.uniform(6, 16), id=f"{self.name}/{layer}/{unit}")
