"""An analytic generator for tests: smooth images from a few cosines, no weights, instant."""

import numpy as np

from amb.contracts.generator import Generator, Latents
from amb.contracts.problem import UInt8Array
from amb_problems.generators.pixels import to_uint8


class ToyGenerator(Generator):
    """Latent [16] -> grey-tinted image [32, 32, 3], linear before it is clipped.

    Coordinate 4i + j weighs the two-dimensional cosine of vertical frequency i and horizontal frequency j,
    so an image reveals its latent: coordinate 0 is brightness, the others are waves. The three colours see the
    waves with shifted phases; ones in every coordinate about fill the range.
    """

    name = "toy"
    latent_dim = 16
    shape = (32, 32, 3)
    fingerprint = "toy-1"

    def __init__(self) -> None:
        position = (np.arange(32) + 0.5) / 32
        waves = [
            np.cos(np.pi * (i * position[:, None, None] + j * position[None, :, None] + (i + j) * colour))
            for i in range(4)
            for j in range(4)
            for colour in [np.array([0.0, 1 / 6, 1 / 3])]
        ]
        self._basis = np.stack(waves) / 4  # [16, 32, 32, 3]

    def _render(self, latents: Latents) -> UInt8Array:
        # Sums over coordinates in a fixed order in float64: no matrix kernel, so no dependence on the batch.
        images = np.zeros((len(latents), *self._basis.shape[1:]))
        for weights, wave in zip(latents.T.astype(np.float64), self._basis, strict=True):
            images += weights[:, None, None, None] * wave
        return to_uint8(images.astype(np.float32))
