"""Generators that are networks with shipped, or a user's own, checkpoints."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from amb.errors import CheckpointError
from amb_problems import checkpoint
from amb_problems.generators.base import FloatArray, Generator, UInt8Array
from amb_problems.generators.folded import fold
from amb_problems.generators.sngan import SNGAN, SNGANShape


class SNGANGenerator(Generator):
    """An SN-GAN behind the generator's contract.

    Raises:
        CheckpointError: no such checkpoint, or one that is damaged or no SN-GAN's.
    """

    def __init__(self, name_or_path: str | Path, *, device: str = "cpu") -> None:
        tensors, card = checkpoint.load(name_or_path)
        kind = card.facts.get("kind")
        if kind != "sngan":
            raise CheckpointError(f"checkpoint {card.name} is of kind {kind!r}, expected 'sngan'")
        try:
            shape = SNGANShape.from_json(card.facts["shape"])
            network = SNGAN(shape)
            network.load_state_dict(tensors)
        except (KeyError, TypeError, RuntimeError) as error:
            raise CheckpointError(f"checkpoint {card.name} does not fit its card's shape: {error}") from error
        self.name, self.latent_dim, self.fingerprint, self.card = card.name, shape.latent, card.sha256, card
        self._network = fold(network).to(device)
        self._device = device

    def _render_all(self, chunks: list[FloatArray]) -> list[UInt8Array]:
        """Each chunk on one thread, several chunks at the same time.

        oneDNN's kernels for a transposed convolution sum in an order that depends on the number of threads
        (3 threads give other bits than 1, 2 or 4), so each chunk is always computed by a single one.
        """
        if self._device != "cpu":
            return super()._render_all(chunks)
        threads = torch.get_num_threads()
        try:
            torch.set_num_threads(1)
            if min(threads, len(chunks)) == 1:
                return super()._render_all(chunks)
            with ThreadPoolExecutor(min(threads, len(chunks)), initializer=_one_thread) as pool:
                return list(pool.map(self._render, chunks))
        finally:
            torch.set_num_threads(threads)

    def device_images(self, latents: FloatArray) -> torch.Tensor:
        """The same images, uint8 [n, h, w, c], left on the device."""
        chunks = self._padded(latents)
        return torch.cat([self._on_device(chunk) for chunk in chunks])[: len(latents)]

    def pixels(self, latents: torch.Tensor) -> torch.Tensor:
        """Pixels float32 [n, h, w, c] in 0..255 of latents on the device, through which gradients flow.

        They are rounded, as a screen would show them; the gradient passes the rounding unchanged.
        """
        smooth = (self._network(latents).permute(0, 2, 3, 1) + 1) * 127.5
        return smooth + (smooth.round().clamp(0, 255) - smooth).detach()

    def _render(self, latents: FloatArray) -> UInt8Array:
        return self._on_device(latents).cpu().numpy()

    def _on_device(self, latents: FloatArray) -> torch.Tensor:
        # One algorithm for one shape, and no factors of 10 bits: an image is then the same whenever it is made.
        with (
            torch.inference_mode(),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
        ):
            images = self._network(torch.from_numpy(latents).to(self._device))
            return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _one_thread() -> None:
    # OpenMP keeps the number of threads per calling thread, so every worker has to say it itself.
    torch.set_num_threads(1)
