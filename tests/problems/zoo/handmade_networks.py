"""Neurons that users write themselves: memory under any name, resets of any name, helpers that look like memory."""

import torch
from torch import Tensor, nn

from .specimen import Read, Specimen, frames, once

T = 5


class Neurons(nn.Module):
    """Leaky neurons whose potential is an attribute; `reset_state` puts them at rest."""

    def __init__(self, threshold: float = 0.3) -> None:
        super().__init__()
        self.threshold = threshold
        self.potential: Tensor | None = None

    def reset_state(self) -> None:
        self.potential = None

    def forward(self, x: Tensor) -> Tensor:
        self.potential = x if self.potential is None else 0.9 * self.potential + x
        spikes = (self.potential > self.threshold).float()
        self.potential = self.potential - spikes * self.threshold
        return spikes


class Net(nn.Module):
    """A convolution and such neurons, one step in a pass."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.spikes = nn.Conv2d(3, 4, 3), Neurons()

    def forward(self, x: Tensor) -> Tensor:
        return self.spikes(self.conv(x))


class Buffered(nn.Module):
    """Keeps its trace in a buffer, as a library's layer would; `clear` zeroes it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.register_buffer("trace", torch.zeros(1, 4, 10, 10))

    def clear(self) -> None:
        self.trace = torch.zeros(1, 4, 10, 10)

    def forward(self, x: Tensor) -> Tensor:
        self.trace = 0.5 * self.trace + self.conv(x)
        return self.trace.tanh()


class Counting(nn.Module):
    """Counts its calls and keeps its last output, neither of which changes an answer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.calls, self.last = nn.Conv2d(3, 4, 3), 0, None

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.last = self.conv(x)
        return self.last


class Initializing(nn.Conv2d):
    """Has a method called `reset` that erases weights."""

    def reset(self) -> None:
        nn.init.zeros_(self.weight)


class Body(nn.Module):
    """A container with a method called `reset`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.spikes = nn.Conv2d(3, 4, 3), Neurons()

    def reset(self) -> None:
        self.spikes.reset_state()

    def forward(self, x: Tensor) -> Tensor:
        return self.spikes(self.conv(x))


class Looping(nn.Module):
    """Holds its states in local variables, and loops over time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fire = nn.Conv2d(3, 4, 3), nn.Hardtanh(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        state, total = 0, 0
        for _ in range(T):
            state = 0.8 * state + self.conv(x)
            total = total + self.fire(state)
        return total / T


class Adapting(nn.Module):
    """Neurons with a threshold that rises with every spike, two memories in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(432, 6)
        self.memory: dict[str, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        drive = self.fc(x.flatten(1))
        v = 0.9 * self.memory.get("v", torch.zeros_like(drive)) + drive
        a = self.memory.get("a", torch.zeros_like(drive))
        spikes = (v > 0.2 + a).float()
        self.memory = {"v": v * (1 - spikes), "a": 0.9 * a + 0.1 * spikes}
        return spikes


SPECIMENS = [
    Specimen("handmade neurons with a potential", Net, frames(T), {"frames": T}, ("conv", "spikes")),
    Specimen("handmade neurons, reset stated", Net, frames(T),
             {"frames": T, "reset": lambda net: net.spikes.reset_state()}, ("conv", "spikes")),
    Specimen("handmade trace in a buffer", Buffered, frames(T), {"frames": T}, ("conv", "output")),
    Specimen("handmade counters that change nothing", Counting, once, layers=("conv",)),
    Specimen("handmade reset that erases weights", lambda: nn.Sequential(Initializing(3, 4, 3), nn.ReLU()), once,
             layers=("0", "1")),
    Specimen("handmade container with a reset", lambda: nn.Sequential(Body(), nn.Flatten(), nn.Linear(400, 5)),
             frames(T), {"frames": T}, ("0.conv", "0.spikes", "0", "2")),
    Specimen("handmade loop over local states", Looping, once, layers=("conv", "fire", "output")),
    Specimen("handmade adaptation in a dictionary", Adapting, frames(T), {"frames": T}, ("fc", "output")),
    Specimen("handmade data parallel", lambda: nn.DataParallel(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())), once,
             layers=("module.0", "module.1"), read={}),
]  # fmt: skip
__all__ = ["SPECIMENS", "Read"]
