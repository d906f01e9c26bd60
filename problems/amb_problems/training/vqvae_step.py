"""One step of a VQ-VAE's training, and its whole state: network, optimizer, and the codebook's moving averages."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from amb_problems.cards import VQVAEShape
from amb_problems.data.image_sets import DatasetName, UInt8Array
from amb_problems.generators.vqvae import VQVAE, nearest_codes, principal_order
from amb_problems.training import state


@dataclass(frozen=True)
class VQVAERecipe:
    """What a training does; everything but data, seed and time."""

    dataset: DatasetName
    shape: VQVAEShape
    flip: bool
    """Whether images are mirrored at random."""
    steps: int
    batch: int = 128
    rate: float = 1e-3
    """Of Adam."""
    cooling: float = 0.2
    """Share of the steps, the last ones, over which the learning rate falls to zero."""
    commitment: float = 0.25
    """Weight of the encoder's distance to its codes (equation 3)."""
    averaging: float = 0.99
    """Decay of the moving averages that the codes are (appendix A.1)."""
    revival: float = 0.1
    """A code used less often than this share of the mean is put where an image's vector is."""


class VQVAETraining:
    """Network, optimizer, averages and the step counter; `advance` is one step."""

    def __init__(self, recipe: VQVAERecipe, images: UInt8Array, *, seed: int, device: str) -> None:
        self.recipe, self.seed, self.device, self.done = recipe, seed, torch.device(device), 0
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2)  # [n, c, h, w], channels last in memory
        self.variance = float(images[:: max(1, len(images) // 5000)].astype(float).var()) / 127.5**2
        with torch.random.fork_rng():  # torch initializes weights from its global generator
            torch.manual_seed(seed)
            network = VQVAE(recipe.shape)
        self.network: VQVAE = network.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        # Of each code: how many vectors chose it lately, and their sum. A code that none chose is set on a vector.
        self.uses = torch.zeros(recipe.shape.codes, device=self.device)
        self.sums = torch.zeros(recipe.shape.codes, recipe.shape.dimensions, device=self.device)
        group = {"params": list(self.network.parameters()), "initial_lr": recipe.rate}
        self._adam = torch.optim.Adam([group], lr=recipe.rate)

    def advance(self, rate: float) -> dict[str, Tensor]:
        """One step at `rate` times the recipe's learning rate."""
        for group in self._adam.param_groups:
            group["lr"] = group["initial_lr"] * rate
        network, images = self.network.train(), self._batch()
        vectors = network.encoder(images).permute(0, 2, 3, 1)
        flat = vectors.detach().reshape(-1, vectors.shape[-1])
        self._revive(flat)
        codes = nearest_codes(flat, network.codebook)
        quantized = network.codebook[codes].view(vectors.shape)
        passed = vectors + (quantized - vectors).detach()  # the gradient passes the quantization unchanged
        # Neighbouring pixels share most of their variance: errors are counted in units of the images' variance.
        error = F.mse_loss(network.decoder(passed.permute(0, 3, 1, 2)), images) / self.variance
        commitment = F.mse_loss(vectors, quantized)
        self._adam.zero_grad()
        (error + self.recipe.commitment * commitment).backward()
        self._adam.step()
        self._average(flat, codes)
        self.done += 1
        used = (self.uses > self._threshold).sum()
        return {"error": error.detach(), "commitment": commitment.detach(), "codes_used": used}

    def tensors(self) -> dict[str, Tensor]:
        """The whole state, for `state.save_state`."""
        averages = {"uses": self.uses, "sums": self.sums}
        return state.module_tensors(self.network, "network") | averages | state.optimizer_tensors(self._adam, "adam")

    def restore(self, tensors: Mapping[str, Tensor], done: int) -> None:
        """Go on from a saved state after `done` steps."""
        state.restore_module(self.network, tensors, "network")
        state.restore_optimizer(self._adam, tensors, "adam")
        self.uses, self.sums = tensors["uses"].to(self.device), tensors["sums"].to(self.device)
        self.done = done

    def weights(self) -> dict[str, Tensor]:
        """Tensors of the network, its codes' principal order included."""
        order = principal_order(self.network.codebook.cpu())
        return {**self.network.state_dict(), "principal": order}

    @property
    def _threshold(self) -> Tensor:
        return self.recipe.revival * self.uses.sum() / len(self.uses)

    def _batch(self) -> Tensor:
        """The next images, in [-1, 1]."""
        rows = state.batch_rows(len(self.images), self.recipe.batch, seed=self.seed, index=self.done)
        images = self.images[rows].to(self.device, torch.float32) / 127.5 - 1
        if self.recipe.flip:
            mirrored = torch.rand(len(rows), generator=state.stream(self.seed, "flip", self.done)) < 0.5
            images[mirrored] = images[mirrored].flip(3)
        return images.contiguous(memory_format=torch.channels_last)

    def _revive(self, flat: Tensor) -> None:
        """Put codes that are hardly used on vectors of the batch, with the weight of the mean code."""
        idle = (self.uses <= self._threshold).nonzero().flatten()
        drawn = torch.randint(len(flat), (len(idle),), generator=state.stream(self.seed, "revival", self.done))
        share = self.uses.sum() / len(self.uses) if self.done else torch.ones((), device=self.device)
        self.uses[idle] = share
        self.sums[idle] = share * flat[drawn.to(self.device)]
        self.network.codebook.copy_(self.sums / self.uses[:, None])

    def _average(self, flat: Tensor, codes: Tensor) -> None:
        # A product with the choices as a matrix, and not a scatter: its order of summation is fixed.
        chosen = F.one_hot(codes, len(self.uses)).to(flat.dtype)
        self.uses.lerp_(chosen.sum(0), 1 - self.recipe.averaging)
        self.sums.lerp_(chosen.t() @ flat, 1 - self.recipe.averaging)
        self.network.codebook.copy_(self.sums / self.uses[:, None])
