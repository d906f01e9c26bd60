"""Adversarial training of an SN-GAN: two networks, two optimizers, and the moving average of the generator."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from amb_problems.cards import SNGANShape
from amb_problems.data.image_sets import DatasetName, UInt8Array
from amb_problems.generators.sngan import SNGAN
from amb_problems.training import state
from amb_problems.training.discriminator import Discriminator
from amb_problems.training.precision import has_bfloat16
from amb_problems.training.rates import adam, cooled, set_rates
from amb_problems.training.sampling import image_batch, stream


@dataclass(frozen=True)
class GANRecipe:
    """How an SN-GAN is trained: everything except data, seed and time."""

    dataset: DatasetName
    shape: SNGANShape
    discriminator: tuple[int, ...]
    """Widths of the discriminator's blocks; the first two halve the resolution."""
    flip: bool
    """Whether real images are mirrored at random."""
    steps: int
    """Generator iterations of a whole training."""
    batch: int = 64
    discriminator_steps: int = 1
    """Discriminator iterations per generator iteration (n_dis of the paper, which takes 5)."""
    rate_generator: float = 2e-4
    rate_discriminator: float = 4e-4
    cooling: float = 0.5
    """The last share of the steps, over which the learning rates fall linearly to zero."""
    judge: tuple[str, str] | None = None
    """A shipped target and its layer; the generator is compared with the data in the firing rates of that layer."""
    averaging: float = 0.999
    """Decay of the generator's exponential moving average, which is exported."""


class GANTraining:
    """Networks and optimizers; a `Training` for `Session`. A step is one iteration of the generator."""

    def __init__(self, recipe: GANRecipe, images: UInt8Array, *, seed: int, device: str) -> None:
        self.recipe, self.seed, self.device, self.done = recipe, seed, torch.device(device), 0
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2)  # [n, c, h, w], channels last in memory
        with torch.random.fork_rng():  # torch initializes weights from its global generator
            torch.manual_seed(seed)
            generator = SNGAN(recipe.shape)
            discriminator = Discriminator(recipe.shape.channels, recipe.discriminator)
        layout = {"device": self.device, "memory_format": torch.channels_last}
        self.generator: SNGAN = generator.to(**layout)  # type: ignore[call-overload]
        self.discriminator: Discriminator = discriminator.to(**layout)  # type: ignore[call-overload]
        self._autocasts = has_bfloat16(self.device)
        self.average = deepcopy(self.generator).requires_grad_(False)
        self._optimizers = {
            "generator_adam": _adam(self.generator, recipe.rate_generator),
            "discriminator_adam": _adam(self.discriminator, recipe.rate_discriminator),
        }

    @property
    def steps(self) -> int:
        """Number of steps of the whole training."""
        return self.recipe.steps

    def advance(self) -> dict[str, Tensor]:
        """Take `n_dis` discriminator steps and one generator step; returns the losses and mean scores."""
        set_rates(self._optimizers.values(), cooled(self.done, self.steps, self.recipe.cooling))
        repeats = self.recipe.discriminator_steps
        for number in range(repeats):
            metrics = self._discriminator_step(self.done * repeats + number)
        metrics["generator_loss"] = self._generator_step()
        with torch.no_grad():
            weight = 1 - min(self.recipe.averaging, (1 + self.done) / (10 + self.done))
            for average, new in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                average.lerp_(new, weight)
        self.done += 1
        return metrics

    def tensors(self) -> dict[str, Tensor]:
        """The state, except for the position."""
        tensors: dict[str, Tensor] = {}
        for name, module in self._modules().items():
            tensors |= state.module_tensors(module, name)
        for name, optimizer in self._optimizers.items():
            tensors |= state.optimizer_tensors(optimizer, name)
        return tensors

    def position(self) -> dict[str, int]:
        """Number of steps taken."""
        return {"done": self.done}

    def restore(self, tensors: Mapping[str, Tensor], position: Mapping[str, Any]) -> None:
        """Continue from saved tensors and their position."""
        self.done = state.count(position, "done", self.steps)
        for name, module in self._modules().items():
            state.restore_module(module, tensors, name)
        for name, optimizer in self._optimizers.items():
            state.restore_optimizer(optimizer, tensors, name, begun=0 < self.done < self.steps)

    def averaged_generator(self, batches: int = 8) -> SNGAN:
        """A copy of the averaged generator for inference; batch norms re-estimated on samples of the prior."""
        generator = deepcopy(self.average).train()
        for module in generator.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None  # the plain mean over all batches
        with torch.no_grad():
            for number in range(batches):
                generator(self.latents("statistics", number, 256))
        return generator.eval()

    def latents(self, purpose: str, index: int, count: int) -> Tensor:
        """Standard normal latents [count, latent], a function of (seed, purpose, index)."""
        source = stream(self.seed, purpose, index)
        return torch.randn(count, self.recipe.shape.latent, generator=source).to(self.device)

    def _discriminator_step(self, index: int) -> dict[str, Tensor]:
        batch = self.recipe.batch
        with torch.no_grad(), self._autocast():
            fake = self.generator(self.latents("discriminator", index, batch))
        images = torch.cat([self._real(index), fake.float()]).contiguous(memory_format=torch.channels_last)
        with self._autocast():
            real, fake = self.discriminator(images).float().split(batch)
        loss = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        self._descend("discriminator_adam", loss)
        metrics = {"discriminator_loss": loss, "real": real.mean(), "fake": fake.mean()}
        return {name: value.detach() for name, value in metrics.items()}

    def _generator_step(self) -> Tensor:
        self.discriminator.requires_grad_(False)
        latents = self.latents("generator", self.done, self.recipe.batch)
        with self._autocast():
            scores = self.discriminator(self.generator(latents))
        loss = -scores.float().mean()
        self._descend("generator_adam", loss)
        self.discriminator.requires_grad_(True)
        return loss.detach()

    def _real(self, index: int) -> Tensor:
        """The `index`-th batch of real images, in [-1, 1]."""
        return image_batch(
            self.images, self.recipe.batch, seed=self.seed, index=index, flip=self.recipe.flip, device=self.device
        )

    def _descend(self, name: str, loss: Tensor) -> None:
        self._optimizers[name].zero_grad()
        loss.backward()
        self._optimizers[name].step()

    def _modules(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator, "average": self.average}

    def _autocast(self) -> AbstractContextManager[None]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._autocasts)


def _adam(module: nn.Module, rate: float) -> torch.optim.Adam:
    return adam(module, rate, betas=(0.0, 0.9))
