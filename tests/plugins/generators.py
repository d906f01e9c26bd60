"""A plug-in file with generators as a newcomer would write them: one good, one that no target here can see."""

import numpy as np

from amb import Generator


class Stripes(Generator):
    """Latent [3] -> a striped image [32, 32, 3]: one brightness for every colour."""

    name = "stripes"
    latent_dim = 3
    shape = (32, 32, 3)
    fingerprint = "stripes-1"

    def _render(self, latents: np.ndarray) -> np.ndarray:
        rows = np.cos(np.arange(32.0))[None, :, None, None]
        waves = 128 + 40 * rows * latents[:, None, None, :].astype(float)
        return np.repeat(np.clip(np.rint(waves), 0, 255), 32, axis=2).astype(np.uint8)


class Dots(Generator):
    """Latent [2] -> an image of another size than targets want."""

    name = "dots"
    latent_dim = 2
    shape = (5, 5, 3)
    fingerprint = "dots-1"

    def _render(self, latents: np.ndarray) -> np.ndarray:
        return np.full((len(latents), 5, 5, 3), 128, np.uint8)
