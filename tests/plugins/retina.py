"""A plug-in file with a target as a newcomer would write it: the contract and nothing else."""

from collections.abc import Sequence

import numpy as np

from amb import Target


class Retina(Target):
    """Two layers of cells: `cones` respond to the mean of one color, `rods` to the brightness of one row of pixels."""

    name = "retina"
    shape = (32, 32, 3)
    fingerprint = "retina-1"
    layers = {"cones": 3, "rods": 32}  # noqa: RUF012 - as a newcomer writes it

    def activations(self, images: np.ndarray, units: Sequence[tuple[str, int]]) -> np.ndarray:
        def respond(image: np.ndarray, layer: str, unit: int) -> float:
            return float(image[..., unit].mean() if layer == "cones" else image[unit].mean()) / 255

        return np.array([respond(image, *unit) for image, unit in zip(images, units, strict=True)])
