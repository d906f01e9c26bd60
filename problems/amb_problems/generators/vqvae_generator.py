"""A VQ-VAE behind the generator's contract: latents are the numbers of codes."""

from pathlib import Path

import numpy as np
import torch

from amb.errors import CandidateError, CheckpointError, SpecError
from amb_problems import checkpoint
from amb_problems.generators.base import FloatArray, Generator, UInt8Array, to_uint8
from amb_problems.generators.vqvae import VQVAE, VQVAEShape
from amb_problems.threads import one_thread_each


class VQVAEGenerator(Generator):
    """Decodes the codes of all positions, row by row of their grid; `encode` finds an image's codes.

    Raises:
        CheckpointError: no such checkpoint, or one that is damaged or no VQ-VAE's.
    """

    def __init__(self, name_or_path: str | Path, *, device: str = "cpu") -> None:
        tensors, card = checkpoint.load(name_or_path)
        kind = card.facts.get("kind")
        if kind != "vqvae":
            raise CheckpointError(f"checkpoint {card.name} is of kind {kind!r}, expected 'vqvae'")
        try:
            shape = VQVAEShape.from_json(card.facts["shape"])
            network = VQVAE(shape)
            network.load_state_dict(tensors)
        except (KeyError, TypeError, RuntimeError) as error:
            raise CheckpointError(f"checkpoint {card.name} does not fit its card's shape: {error}") from error
        self.name, self.latent_dim, self.fingerprint, self.card = card.name, shape.positions, card.sha256, card
        self.shape = shape
        network.eval().requires_grad_(False)
        self._network: VQVAE = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device = device

    def encode(self, images: UInt8Array) -> FloatArray:
        """The codes nearest to what the encoder makes of images uint8 [n, h, w, c]: float32 [n, positions].

        Raises:
            SpecError: images of another size or type.
        """
        size, channels = self.shape.size, self.shape.channels
        if images.dtype != np.uint8 or images.shape[1:] != (size, size, channels):
            raise SpecError(
                f"generator {self.name} encodes images uint8 [n, {size}, {size}, {channels}], "
                f"not {images.dtype} {list(images.shape)}"
            )
        count = max(1, -(-len(images) // self.CHUNK))
        padded = np.zeros((count, self.CHUNK, *images.shape[1:]), np.uint8)
        padded.reshape(-1, *images.shape[1:])[: len(images)] = images
        return np.concatenate(one_thread_each(self._codes, list(padded)))[: len(images)]

    def _check(self, latents: FloatArray) -> None:
        super()._check(latents)
        if ((latents != np.rint(latents)) | (latents < 0) | (latents >= self.shape.codes)).any():
            raise CandidateError(
                f"generator {self.name} takes numbers of codes, whole and in 0..{self.shape.codes - 1}"
            )

    def _render_all(self, chunks: list[FloatArray]) -> list[UInt8Array]:
        return one_thread_each(self._render, chunks)

    def _render(self, latents: FloatArray) -> UInt8Array:
        codes = torch.from_numpy(latents.astype(np.int64)).view(-1, self.shape.side, self.shape.side)
        with torch.inference_mode():
            images = self._network.decode(codes.to(self._device)).cpu()
        return to_uint8(np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy()))

    def _codes(self, images: UInt8Array) -> FloatArray:
        pixels = torch.from_numpy(images).to(self._device, torch.float32).permute(0, 3, 1, 2) / 127.5 - 1
        with torch.inference_mode():
            return self._network.encode(pixels).flatten(1).cpu().numpy().astype(np.float32)
