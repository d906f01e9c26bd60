"""Training of a VQ-VAE: network, optimizer, and the codebook's moving averages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from amb_problems.cards import VQVAEShape
from amb_problems.data.image_sets import DatasetName, UInt8Array
from amb_problems.generators.vqvae import VQVAE, nearest_codes, principal_order
from amb_problems.training import state
from amb_problems.training.rates import adam, cooled, set_rates
from amb_problems.training.sampling import image_batch, stream


@dataclass(frozen=True)
class VQVAERecipe:
    """How a VQ-VAE is trained: everything except data, seed and time."""

    dataset: DatasetName
    shape: VQVAEShape
    flip: bool
    """Whether images are mirrored at random."""
    steps: int
    batch: int = 128
    rate: float = 1e-3
    """Learning rate of Adam."""
    cooling: float = 0.2
    """The last share of the steps, over which the learning rate falls linearly to zero."""
    commitment: float = 0.25
    """Weight of the encoder's distance to its codes (equation 3)."""
    averaging: float = 0.99
    """Decay of the moving averages that give the codes (appendix A.1)."""
    revival: float = 0.1
    """A code used less often than this share of the mean is moved to the vector of an image."""


class VQVAETraining:
    """Network, optimizer and averages; a `Training` for `Session`."""

    def __init__(self, recipe: VQVAERecipe, images: UInt8Array, *, seed: int, device: str) -> None:
        self.recipe, self.seed, self.device, self.done = recipe, seed, torch.device(device), 0
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2)  # [n, c, h, w], channels last in memory
        self.variance = float(images[:: max(1, len(images) // 5000)].astype(float).var()) / 127.5**2
        with torch.random.fork_rng():  # torch initializes weights from its global generator
            torch.manual_seed(seed)
            network = VQVAE(recipe.shape)
        self.network: VQVAE = network.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        # For each code: moving averages of how many vectors chose it, and of their sum.
        self.uses = torch.zeros(recipe.shape.codes, device=self.device)
        self.sums = torch.zeros(recipe.shape.codes, recipe.shape.dimensions, device=self.device)
        self._adam = adam(self.network, recipe.rate)

    @property
    def steps(self) -> int:
        """Number of steps of the whole training."""
        return self.recipe.steps

    def advance(self) -> dict[str, Tensor]:
        """Take one step; returns the losses and the number of codes in use."""
        set_rates([self._adam], cooled(self.done, self.steps, self.recipe.cooling))
        network, images = self.network.train(), self._batch()
        vectors = network.encoder(images).permute(0, 2, 3, 1)
        flat = vectors.detach().reshape(-1, vectors.shape[-1])
        self._revive(flat)
        codes = nearest_codes(flat, network.codebook)
        quantized = network.codebook[codes].view(vectors.shape)
        passed = vectors + (quantized - vectors).detach()  # straight through: the gradient skips the quantization
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
        """The state, except for the position."""
        averages = {"uses": self.uses, "sums": self.sums}
        return state.module_tensors(self.network, "network") | averages | state.optimizer_tensors(self._adam, "adam")

    def position(self) -> dict[str, int]:
        """Number of steps taken."""
        return {"done": self.done}

    def restore(self, tensors: Mapping[str, Tensor], position: Mapping[str, Any]) -> None:
        """Continue from saved tensors and their position."""
        self.done = state.count(position, "done", self.steps)
        state.restore_module(self.network, tensors, "network")
        state.restore_optimizer(self._adam, tensors, "adam", begun=0 < self.done < self.steps)
        self.uses = state.fitting("uses", tensors["uses"], self.uses).to(self.device)
        self.sums = state.fitting("sums", tensors["sums"], self.sums).to(self.device)

    def weights(self) -> dict[str, Tensor]:
        """Tensors of the network, including the principal order of its codes."""
        order = principal_order(self.network.codebook.cpu())
        return {**self.network.state_dict(), "principal": order}

    @property
    def _threshold(self) -> Tensor:
        return self.recipe.revival * self.uses.sum() / len(self.uses)

    def _batch(self) -> Tensor:
        """The next images, in [-1, 1]."""
        images = image_batch(
            self.images, self.recipe.batch, seed=self.seed, index=self.done, flip=self.recipe.flip, device=self.device
        )
        return images.contiguous(memory_format=torch.channels_last)

    def _revive(self, flat: Tensor) -> None:
        """Move codes that are hardly used to vectors of the batch, with the weight of the mean code."""
        idle = (self.uses <= self._threshold).nonzero().flatten()
        drawn = torch.randint(len(flat), (len(idle),), generator=stream(self.seed, "revival", self.done))
        share = self.uses.sum() / len(self.uses) if self.done else torch.ones((), device=self.device)
        self.uses[idle] = share
        self.sums[idle] = share * flat[drawn.to(self.device)]
        self.network.codebook.copy_(self.sums / self.uses[:, None])

    def _average(self, flat: Tensor, codes: Tensor) -> None:
        # A product with the one-hot choices instead of a scatter: its order of summation is fixed.
        chosen = F.one_hot(codes, len(self.uses)).to(flat.dtype)
        self.uses.lerp_(chosen.sum(0), 1 - self.recipe.averaging)
        self.sums.lerp_(chosen.t() @ flat, 1 - self.recipe.averaging)
        self.network.codebook.copy_(self.sums / self.uses[:, None])
