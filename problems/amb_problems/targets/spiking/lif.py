"""The LIF neuron in inference: membrane potentials updated in place, one frame per call."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from amb_problems.cards import LIFConstants


@dataclass(frozen=True)
class LIF(LIFConstants):
    """Leaky integrate-and-fire: `v = decay * v + current`, a spike where `v` reaches the threshold, then the reset.

    With `strict` the neuron fires above the threshold (snnTorch's `Leaky(beta=decay, reset_mechanism="zero")`), without
    it already at the threshold (SpikingJelly's `LIFNode(tau=1 / (1 - decay), decay_input=False)`). The reset is to zero
    (SpikingJelly's `v_reset=0.0`), or the threshold is subtracted (`v_reset=None`). With a decay of 1 the neuron does
    not leak (`IFNode`).
    """

    def step(self, v: Tensor | None, current: Tensor) -> tuple[Tensor, Tensor]:
        """One frame: potentials (None: at rest) and currents to new potentials and spikes (bool); `v` is overwritten.

        The product is rounded before the sum, in float32, as in both frameworks: they are separate operations on
        purpose, since a fused operation would round differently.
        """
        v = current.clone() if v is None else v.mul_(self.decay).add_(current)
        spikes = v > self.threshold if self.strict else v >= self.threshold
        if self.reset == "subtract":
            return v.sub_(spikes.to(v.dtype), alpha=self.threshold), spikes
        return v.masked_fill_(spikes, 0.0), spikes


class LIFNeuron(nn.Module):
    """A layer of LIF neurons that remembers its potentials from frame to frame until `reset`."""

    def __init__(self, lif: LIF):
        super().__init__()
        self.lif = lif
        self.v: Tensor | None = None

    def reset(self) -> None:
        """Reset the potentials to rest, as before every new image."""
        self.v = None

    @torch.no_grad()
    def forward(self, current: Tensor) -> Tensor:
        self.v, spikes = self.lif.step(self.v, current)
        return spikes.to(current.dtype)
