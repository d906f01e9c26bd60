"""The VQ-VAE with an exact decoder behind the generator's contract."""

from functools import cached_property
from typing import TYPE_CHECKING

from amb_problems import checkpoint
from amb_problems.cards import ExactVQVAECard, VQVAECard
from amb_problems.generators.exact.generator import ExactGenerator
from amb_problems.generators.vqvae_generator import VQVAEGenerator

if TYPE_CHECKING:
    from torch import Tensor

    from amb_problems.generators.exact.decoder_rendering import DecoderRendering
    from amb_problems.generators.vqvae import VQVAE


class ExactVQVAEGenerator(ExactGenerator, VQVAEGenerator):
    """A VQ-VAE with an exact decoder: see `VQVAEGenerator`. Its encoder computes in floating point."""

    card_type = ExactVQVAECard

    @cached_property
    def rendering(self) -> "DecoderRendering":
        """Pixels of numbers of codes, on the engine."""
        import torch

        from amb_problems.generators.exact.decoder_rendering import DecoderRendering

        decoder = self.network.decoder
        return DecoderRendering(self._sizes, decoder.vectors(), self._layers, decoder.table, torch.device(self.device))

    def code_pixels(self, weights: "Tensor") -> "Tensor":
        """Pixels float32 [n, h, w, c] in 0..255 of weights of codes float32 [n, positions, codes].

        Of one code at each position, they are those of `images`. Gradients flow straight through every rounding.
        """
        from amb_problems.generators.exact.screen import passed_through

        decoder, side = self.network.decoder, self._sizes.side
        tones = decoder(weights.view(len(weights), side, side, -1)).permute(0, 2, 3, 1)
        return passed_through((tones + 1) * 127.5, tones, decoder.table)

    def _load(self) -> "VQVAE":
        import torch

        from amb_problems.generators.exact.decoder import ExactDecoder
        from amb_problems.generators.exact.weights import read_network, read_table
        from amb_problems.generators.inference import restore
        from amb_problems.generators.vqvae import VQVAE

        tensors, card = checkpoint.load(self._source, ExactVQVAECard)
        network, origin = restore(card.origin, VQVAECard, lambda source: VQVAE(source.shape))
        decoder, self._layers = read_network(card, tensors, lambda: ExactDecoder(card.shape), origin)
        decoder.register_buffer("table", read_table(tensors), persistent=False)
        network.add_module("decoder", decoder)
        network.eval().requires_grad_(False)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
