"""Networks that draw random numbers in their forward pass: from torch's global generator, which can be seeded."""

import random

import numpy as np
import snntorch as snn
import torch
from snntorch import spikegen
from spikingjelly.activation_based import encoding, layer, neuron
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from .specimen import Read, Specimen, frames, once

T = 8


class RateCoded(nn.Module):
    """Every step sees another sample of spikes, whose rates are the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif = nn.Conv2d(3, 4, 3), snn.Leaky(beta=0.9, threshold=0.3)

    def forward(self, x: Tensor) -> Tensor:
        mem = self.lif.init_leaky()
        spikes = []
        for frame in spikegen.rate(x, num_steps=T):
            spk, mem = self.lif(self.conv(frame), mem)
            spikes.append(spk)
        return torch.stack(spikes)


class PoissonEncoded(nn.Module):
    """The first tutorial of SpikingJelly: one sample of spikes in every pass."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = encoding.PoissonEncoder()
        self.fc, self.sn = layer.Linear(432, 5), neuron.LIFNode(tau=2.0, v_threshold=0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.sn(self.fc(self.encode(x).flatten(1)))


class AlwaysDropping(nn.Module):
    """Dropout that stays on, for uncertainty."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(400, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.dropout(self.conv(x).flatten(1), 0.3, training=True))


class Noisy(nn.Module):
    """Normal noise on the currents."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 4, 3), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.act(y + 0.1 * torch.randn_like(y))


class ForeignNoise(nn.Module):
    """Draws from the global generators of numpy and of Python."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        noise = np.random.standard_normal(y.shape).astype(np.float32)  # noqa: NPY002
        return (y + torch.from_numpy(noise)) * (1 + random.random())


class DeviceNoise(nn.Module):
    """Added to weights whenever they are read."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight + 0.3 * torch.randn_like(weight)


class AnalogWeights(nn.Module):
    """Weights that differ in every step, in the loop over time of its forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif = nn.Conv2d(3, 4, 3), snn.Leaky(beta=0.9, threshold=0.3)
        parametrize.register_parametrization(self.conv, "weight", DeviceNoise())

    def forward(self, x: Tensor) -> Tensor:
        mem = self.lif.init_leaky()
        for _ in range(T):
            spk, mem = self.lif(self.conv(x), mem)
        return spk


SPECIMENS = [
    Specimen("rate code", RateCoded, once, layers=("conv", "lif"), read={"output": Read(channel=2)}),
    Specimen("poisson encoder", PoissonEncoded, frames(T), {"frames": T}, ("fc", "sn")),
    Specimen("dropout that stays on", AlwaysDropping, once, layers=("fc",)),
    Specimen("noisy currents", Noisy, once, layers=("act",)),
    Specimen("noisy weights", AnalogWeights, once, layers=("lif", "conv")),
    Specimen("noise of numpy and python", ForeignNoise, once, layers=("output",)),
]
