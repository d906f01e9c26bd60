"""The exact SN-GAN behind the generator's contract."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from amb_problems import checkpoint
from amb_problems.cards import ExactSNGANCard
from amb_problems.generators.exact.generator import ExactGenerator

if TYPE_CHECKING:
    from torch import Tensor, nn

    from amb_problems.generators.exact.sngan_in_pairs import SNGANInPairs
    from amb_problems.generators.exact.sngan_rendering import SNGANRendering


class ExactSNGANGenerator(ExactGenerator):
    """An exact SN-GAN.

    Latents are rounded to multiples of 1/32 and clipped to [-4, 4).

    Args:
        name_or_path: a shipped checkpoint by its name, or another one by its path.

    Raises:
        CheckpointError: no such checkpoint, or a card that is damaged or not an exact SN-GAN's; the weights are read on
            first use.
    """

    def __init__(self, name_or_path: str | Path) -> None:
        card = checkpoint.read_card(name_or_path, ExactSNGANCard)
        self._sizes = sizes = card.shape
        self.name, self.fingerprint, self.latent_dim = card.name, card.fingerprint, sizes.latent
        self.shape = sizes.size, sizes.size, sizes.channels
        self._source, self._card = checkpoint.kept(name_or_path, card), card

    @cached_property
    def rendering(self) -> "SNGANRendering | SNGANInPairs":
        """Pixels of latents: on the engine, or in loops of its own where the processor has nothing but AVX2."""
        import torch

        from amb_problems.engine import processor
        from amb_problems.generators.exact.sngan_in_pairs import SNGANInPairs
        from amb_problems.generators.exact.sngan_rendering import SNGANRendering

        network = self.network
        if self.device == "cpu" and processor.only_avx2() and SNGANInPairs.fits(self._sizes, self._layers):
            return SNGANInPairs(self._sizes, self._layers, network.table)
        return SNGANRendering(self._sizes, self._layers, network.table, torch.device(self.device))

    def pixels(self, latents: "Tensor") -> "Tensor":
        """Pixels float32 [n, h, w, c] in 0..255 of latents on the device: those of `images`.

        Gradients flow through them, straight through every rounding; where a value is clipped, they are zero.
        """
        import torch

        from amb_problems.generators.exact.screen import passed_through

        tones = self.network.tones(latents).permute(0, 2, 3, 1)
        return passed_through((torch.tanh(tones) + 1) * 127.5, tones, self.network.table)

    def _load(self) -> "nn.Module":
        import torch

        from amb_problems.generators.exact.sngan import ExactSNGAN
        from amb_problems.generators.exact.weights import read_network, read_table

        tensors, card = checkpoint.load(self._source, ExactSNGANCard)
        network, self._layers = read_network(
            card, tensors, lambda: ExactSNGAN(card.shape), checkpoint.read_card(card.origin)
        )
        network.register_buffer("table", read_table(tensors), persistent=False)
        network.eval().requires_grad_(False)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
