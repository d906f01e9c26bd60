"""The contract of a generator: latents in, 8-bit images out, each a function of its own latent alone."""

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from amb.errors import CandidateError

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]


class Generator(ABC):
    """Turns latents into images as a screen would show them.

    A generator written elsewhere sets the attributes and overrides `_render`. `images` cuts what it is given
    into chunks of `CHUNK` rows, the last one padded, because matrix kernels take another path, with other
    rounding, for other batch sizes: so a latent's image is the same bit for bit alone and in any batch.
    """

    CHUNK = 16

    name: str
    """What a problem's id calls it."""
    latent_dim: int
    """Coordinates of a latent."""
    fingerprint: str
    """What the images depend on beside the latent: the checkpoint's sha256, or a version."""

    def images(self, latents: npt.ArrayLike) -> UInt8Array:
        """Images uint8 [n, h, w, c] of latents float32 [n, latent_dim].

        Raises:
            CandidateError: latents of another shape, or not finite.
        """
        chunks = self._padded(latents)
        return np.concatenate(self._render_all(chunks))[: len(np.asarray(latents))]

    def _padded(self, latents: npt.ArrayLike) -> list[FloatArray]:
        """Chunks of `CHUNK` rows, the last one padded with zeros; one at least."""
        given = np.asarray(latents, np.float32)
        self._check(given)
        # At least one chunk, so that no latents make no images, but of the right size.
        count = max(1, -(-len(given) // self.CHUNK))
        padded = np.zeros((count, self.CHUNK, self.latent_dim), np.float32)
        padded.reshape(-1, self.latent_dim)[: len(given)] = given
        return list(padded)

    def _check(self, latents: FloatArray) -> None:
        """Refuse latents that are none."""
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim:
            raise CandidateError(
                f"generator {self.name} takes latents [n, {self.latent_dim}], not {list(latents.shape)}"
            )
        if not np.isfinite(latents).all():
            raise CandidateError(f"generator {self.name} takes finite latents; these have NaN or infinity")

    def _render_all(self, chunks: list[FloatArray]) -> list[UInt8Array]:
        """Images of several chunks; a generator that can render them at the same time overrides this."""
        return [self._render(chunk) for chunk in chunks]

    @abstractmethod
    def _render(self, latents: FloatArray) -> UInt8Array:
        """Images of one whole chunk; row i depends on latent i alone, whatever i is."""


def to_uint8(images: FloatArray) -> UInt8Array:
    """Images in [-1, 1] as the 256 grey levels of a screen: (x + 1) * 127.5, rounded and clipped."""
    return np.clip(np.rint((images + np.float32(1)) * np.float32(127.5)), 0, 255).astype(np.uint8)
