"""A VQ-VAE behind the generator's contract: latents are the numbers of codes."""

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from amb.contracts.generator import Grid, Latents, chunks
from amb.contracts.images import check_images
from amb.contracts.problem import UInt8Array
from amb.contracts.space import Space
from amb.errors import CandidateError
from amb_problems import checkpoint
from amb_problems.cards import ExactVQVAECard, VQVAECard
from amb_problems.generators.torch_generator import TorchGenerator
from amb_problems.threads import one_thread_each

if TYPE_CHECKING:
    from torch import Tensor

    from amb_problems.generators.vqvae import VQVAE


class VQVAEGenerator(TorchGenerator):
    """Decodes the codes of all positions, row by row of their grid; `encode` finds an image's codes.

    Option of a problem's spec:
        codes: "unordered", a categorical grid; or an ordinal one, which methods that need an order can search:
            "principal", codes in the order of their projections on the codebook's first principal component, or
            "index", by their numbers, which mean nothing (the paper's framework).

    Args:
        name_or_path: a shipped checkpoint by its name, or another one by its path.

    Raises:
        CheckpointError: no such checkpoint, or a card that is damaged or not a VQ-VAE's; the weights are read on first
            use.
    """

    options = MappingProxyType({"codes": ("unordered", "principal", "index")})

    threaded = True
    card_type: ClassVar[type[VQVAECard | ExactVQVAECard]] = VQVAECard

    def __init__(self, name_or_path: str | Path) -> None:
        card = checkpoint.read_card(name_or_path, self.card_type)
        self._sizes = sizes = card.shape
        self.name, self.fingerprint, self.latent_dim = card.name, card.fingerprint, sizes.positions
        self.shape = sizes.size, sizes.size, sizes.channels
        self._source, self._card = checkpoint.kept(name_or_path, card), card
        self._grids: dict[str, Grid] = {}

    def encode(self, images: UInt8Array) -> Latents:
        """The codes nearest to the encoder's output for images uint8 [n, h, w, c]: float32 [n, positions].

        Raises:
            SpecError: images of the wrong size or type.
        """
        check_images(images, self.shape, f"the encoder of {self.name}")
        _ = self.network  # loaded once, before the threads begin
        return np.concatenate(one_thread_each(self._codes, chunks(images, self.CHUNK)))[: len(images)]

    def code_pixels(self, weights: "Tensor") -> "Tensor":
        """Pixels float32 [n, h, w, c] in 0..255 of weights of codes float32 [n, positions, codes].

        They are rounded and clipped, as a screen would show them; the gradient ignores both.
        """
        mixed = (weights @ self.network.codebook).view(len(weights), self._sizes.side, self._sizes.side, -1)
        smooth = (self.network.decoder(mixed.permute(0, 3, 1, 2)).permute(0, 2, 3, 1) + 1) * 127.5
        return smooth + (smooth.round().clamp(0, 255) - smooth).detach()

    def _load(self) -> "VQVAE":
        import torch

        from amb_problems.generators.inference import restore
        from amb_problems.generators.vqvae import VQVAE

        network, card = restore(self._source, VQVAECard, lambda card: VQVAE(card.shape))
        with checkpoint.fitting(card):
            if network.principal.sort().values.tolist() != list(range(card.shape.codes)):
                raise ValueError("principal is not an order of the codes")
        network.eval().requires_grad_(False)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _grid(self, *, codes: str) -> Grid:  # type: ignore[override]
        if codes not in self._grids:
            self._grids[codes] = self._make_grid(codes)
        return self._grids[codes]

    def _make_grid(self, codes: str) -> Grid:
        number = self._sizes.codes
        if codes == "unordered":
            return Grid(Space.uniform(self.latent_dim, number, kind="categorical", prior="uniform"))
        space = Space.uniform(self.latent_dim, number, low=0.0, high=number - 1.0, prior="uniform")
        return Grid(space, self.network.principal.cpu().numpy() if codes == "principal" else np.arange(number))

    def _check(self, latents: Latents) -> None:
        super()._check(latents)
        if ((latents != np.rint(latents)) | (latents < 0) | (latents >= self._sizes.codes)).any():
            raise CandidateError(
                f"generator {self.name} takes numbers of codes, integers in 0..{self._sizes.codes - 1}"
            )

    def _make(self, latents: "Tensor") -> "Tensor":
        return self.network.decode(latents.long().view(-1, self._sizes.side, self._sizes.side))

    def _codes(self, images: UInt8Array) -> Latents:
        import torch

        from amb_problems.generators.inference import one_algorithm

        with one_algorithm():
            pixels = torch.from_numpy(images).to(self.device, torch.float32).permute(0, 3, 1, 2) / 127.5 - 1
            return self.network.encode(pixels).flatten(1).cpu().numpy().astype(np.float32)
