"""A VQ-VAE behind the generator's contract: latents are the numbers of codes."""

from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from amb.contracts.generator import Grid, Latents, chunks
from amb.contracts.problem import UInt8Array
from amb.contracts.space import Space
from amb.errors import CandidateError, SpecError
from amb_problems.cards import VQVAECard
from amb_problems.generators.torch_generator import NetworkGenerator, one_algorithm, restore
from amb_problems.generators.vqvae import VQVAE
from amb_problems.threads import one_thread_each


class VQVAEGenerator(NetworkGenerator):
    """Decodes the codes of all positions, row by row of their grid; `encode` finds an image's codes.

    Option of a problem's spec:
        codes: "unordered", a categorical grid; or an ordinal one, which methods that need an order can search:
            "principal", codes in the order of their projections on the codebook's first principal component, or
            "index", by their numbers, which mean nothing (the paper's framework).

    Raises:
        CheckpointError: no such checkpoint, or one that is damaged or no VQ-VAE's.
    """

    options = MappingProxyType({"codes": ("unordered", "principal", "index")})

    def __init__(self, name_or_path: str | Path) -> None:
        network, card = restore(name_or_path, VQVAECard, lambda card: VQVAE(card.shape))
        self._card, self.shape = card, card.shape
        self.name, self.latent_dim, self.fingerprint = card.name, self.shape.positions, card.sha256
        network.eval().requires_grad_(False)
        self._network: VQVAE = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._principal = network.principal.numpy()
        self._grids = cache(self._make_grid)

    def encode(self, images: UInt8Array) -> Latents:
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
        return np.concatenate(one_thread_each(self._codes, chunks(images, self.CHUNK)))[: len(images)]

    def _grid(self, *, codes: str) -> Grid:  # type: ignore[override]
        return self._grids(codes)

    def _make_grid(self, codes: str) -> Grid:
        number = self.shape.codes
        if codes == "unordered":
            return Grid(Space.uniform(self.latent_dim, number, kind="categorical", prior="uniform"))
        space = Space.uniform(self.latent_dim, number, low=0.0, high=number - 1.0, prior="uniform")
        return Grid(space, self._principal if codes == "principal" else np.arange(number))

    def _check(self, latents: Latents) -> None:
        super()._check(latents)
        if ((latents != np.rint(latents)) | (latents < 0) | (latents >= self.shape.codes)).any():
            raise CandidateError(
                f"generator {self.name} takes numbers of codes, whole and in 0..{self.shape.codes - 1}"
            )

    def _make(self, latents: Tensor) -> Tensor:
        return self._network.decode(latents.long().view(-1, self.shape.side, self.shape.side))

    def _codes(self, images: UInt8Array) -> Latents:
        with one_algorithm():
            pixels = torch.from_numpy(images).to(self._device, torch.float32).permute(0, 3, 1, 2) / 127.5 - 1
            return self._network.encode(pixels).flatten(1).cpu().numpy().astype(np.float32)
