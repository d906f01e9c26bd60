"""Adam with learning rates that stay constant and then fall linearly to zero, as the generators are trained."""

from collections.abc import Iterable

import torch
from torch import nn


def adam(module: nn.Module, rate: float, *, betas: tuple[float, float] = (0.9, 0.999)) -> torch.optim.Adam:
    """Adam for a module's parameters; `set_rates` scales its learning rate."""
    return torch.optim.Adam([{"params": list(module.parameters()), "initial_lr": rate}], lr=rate, betas=betas)


def set_rates(optimizers: Iterable[torch.optim.Optimizer], factor: float) -> None:
    """Set the learning rates to `factor` times their initial values."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor


def cooled(done: int, steps: int, cooling: float) -> float:
    """Factor of the learning rates after `done` of `steps`: 1, then falling to 0 over the last share `cooling`."""
    return min(1.0, (1 - done / steps) / cooling)
