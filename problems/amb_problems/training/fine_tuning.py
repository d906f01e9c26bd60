"""Training of an SN-GAN's int8 weights, so that its images come close to the float32 generator's.

Weights are rounded in the forward pass and the gradient ignores that (straight-through: Bengio et al. 2013,
arXiv:1308.3432), as it does for activations. The scales stay as rounding alone chose them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from amb_problems.generators.exact.sngan import ExactSNGAN
from amb_problems.generators.sngan import SNGAN
from amb_problems.targets.spiking.exact import ExactLayer, Grid, quantize
from amb_problems.training import state
from amb_problems.training.rates import set_rates
from amb_problems.training.sampling import stream

_WARM_UP = 50
"""Steps over which the learning rates rise."""


@dataclass(frozen=True)
class FineTuning:
    """How long int8 weights are trained, and how fast."""

    steps: int
    batch: int = 32
    rate: float = 1e-4
    """Learning rate of Adam, relative to the root mean square of each tensor; it falls to zero by a cosine."""


class RoundingTraining:
    """An exact network, its float32 original and an optimizer; a `Training` for `Session`.

    Args:
        tuning: steps, batch and rate.
        network: the unrounded exact network; it is changed.
        original: the float32 generator, in evaluation mode.
        seed: fixes the latents.
        device: "cpu" or "cuda".
    """

    def __init__(self, tuning: FineTuning, network: ExactSNGAN, original: SNGAN, *, seed: int, device: str) -> None:
        self.tuning, self.seed, self.device, self.done = tuning, seed, torch.device(device), 0
        layout = {"device": self.device, "memory_format": torch.channels_last}
        self.original: SNGAN = original.requires_grad_(False).to(**layout)  # type: ignore[call-overload]
        self._rounded = {name: _quantized(network.get_submodule(name), grid) for name, grid in network.grids().items()}
        for name, layer in self._rounded.items():
            parametrize.register_parametrization(network.get_submodule(name), "weight", _StraightThrough(layer.shift))
        self.network: ExactSNGAN = network.requires_grad_(True).to(**layout)  # type: ignore[call-overload]
        groups = [{"params": [p], "initial_lr": tuning.rate * _rms(p)} for p in network.parameters()]
        self._adam = torch.optim.Adam(groups, lr=tuning.rate, betas=(0.9, 0.99), eps=1e-12)

    @property
    def steps(self) -> int:
        """Number of steps of the whole training."""
        return self.tuning.steps

    def advance(self) -> dict[str, Tensor]:
        """Take one step; returns the mean squared difference of the images, in [-1, 1]."""
        set_rates([self._adam], min(1, (self.done + 1) / _WARM_UP) * _cosine(self.done / self.steps))
        latents = torch.randn(
            self.tuning.batch, self.network.shape.latent, generator=stream(self.seed, "fine-tuning", self.done)
        ).to(self.device)
        error = F.mse_loss(self.network(latents), self.original(latents))
        self._adam.zero_grad()
        error.backward()
        self._adam.step()
        self.done += 1
        return {"error": error.detach()}

    def tensors(self) -> dict[str, Tensor]:
        """The state, except for the position."""
        return state.module_tensors(self.network, "network") | state.optimizer_tensors(self._adam, "adam")

    def position(self) -> dict[str, int]:
        """Number of steps taken."""
        return {"done": self.done}

    def restore(self, tensors: Mapping[str, Tensor], position: Mapping[str, Any]) -> None:
        """Continue from saved tensors and their position."""
        self.done = state.count(position, "done", self.steps)
        state.restore_module(self.network, tensors, "network")
        state.restore_optimizer(self._adam, tensors, "adam", begun=0 < self.done < self.steps)

    def layers(self) -> dict[str, ExactLayer]:
        """The rounded layers as they are now, with the shifts of the beginning."""
        return {
            name: _quantized(self.network.get_submodule(name), layer.grid, layer.shift)
            for name, layer in self._rounded.items()
        }


class _StraightThrough(nn.Module):
    """Rounds a weight to int8 in units of 2^-shift; the gradient ignores it."""

    def __init__(self, shift: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift, persistent=False)

    def forward(self, weight: Tensor) -> Tensor:
        scale = torch.exp2(self.get_buffer("shift").to(weight.dtype)).view(-1, *(1,) * (weight.dim() - 1))
        rounded = torch.clamp(torch.round(weight * scale), -128, 127) / scale
        return weight + (rounded - weight).detach()


def _quantized(module: nn.Module, grid: Grid, shift: Tensor | None = None) -> ExactLayer:
    assert isinstance(module.weight, Tensor)
    assert isinstance(module.bias, Tensor)
    return quantize(module.weight.cpu().contiguous(), module.bias.cpu(), grid, shift)


def _rms(tensor: Tensor) -> float:
    return float(tensor.detach().square().mean().sqrt())


def _cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))
