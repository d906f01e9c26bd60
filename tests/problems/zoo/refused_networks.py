"""Networks that cannot be measured as they are: each is refused in one line that says why."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import snntorch as snn
import torch
from spikingjelly.activation_based import layer, neuron
from torch import Tensor, nn

from .handmade_networks import Net
from .leaky_networks import Latency, NormPerStep, Pulse, SharedNeurons
from .torch_networks import Mixer, Pyramid, SpatialSoftmax, SplitTokens, ToLast


@dataclass(frozen=True)
class Refused:
    """A network, what `amb.target` is given with it, the layer that is asked for, and what the refusal must say."""

    name: str
    make: Callable[[], nn.Module]
    says: str
    layer: str = "output"
    options: Mapping[str, object] = field(default_factory=dict)
    shape: tuple[int, int, int] = (12, 12, 3)


class Elsewhere(nn.Module):
    """Keeps its memory outside of itself, where no copy and no reset reaches it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        before = MEMORY.get("v")
        MEMORY["v"] = y if before is None or before.shape != y.shape else y + 0.5 * before
        return MEMORY["v"]


MEMORY: dict[str, Tensor] = {}


class Entropy(nn.Module):
    """Draws from a generator of numpy's that it creates anew in every pass."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return y + torch.from_numpy(np.random.default_rng().standard_normal(y.shape).astype(np.float32))


class Attending(nn.Module):
    """Attention, whose output layer is used without being called."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.attention = nn.Conv2d(3, 8, 4, stride=4), nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.conv(x).flatten(2).transpose(1, 2)
        return self.attention(tokens, tokens, tokens)[0]


class Squeezing(nn.Module):
    """Loses the axis of the images when there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 12)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).squeeze()


class Repeated(nn.Module):
    """One block, applied three times in a row: in time or in depth, nobody can tell from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for _ in range(3):
            x = torch.relu(self.block(x))
        return x


class Text(nn.Module):
    """Answers in words."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> str:
        return "a cat" if self.conv(x).mean() > 0 else "a dog"


class Steps(nn.Module):
    """As many steps as the images of a batch are bright: which of the two is met first depends on its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif = nn.Conv2d(3, 4, 3), snn.Leaky(beta=0.9, threshold=0.2, init_hidden=True)

    def forward(self, x: Tensor) -> Tensor:
        self.lif.reset_mem()
        return torch.stack([self.lif(self.conv(x)) for _ in range(2 + int(1e4 * float(x.mean())) % 7)]).mean(0)


class LongerInTheDark(nn.Module):
    """Takes more steps for dark images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif = nn.Conv2d(3, 4, 3), snn.Leaky(beta=0.9, threshold=0.2)

    def forward(self, x: Tensor) -> Tensor:
        mem, out = self.lif.init_leaky(), []
        for _ in range(4 if x.mean() > 0.3 else 9):
            spk, mem = self.lif(self.conv(x), mem)
            out.append(spk)
        return torch.stack(out).mean(0)


def used() -> nn.Module:
    """Neurons of the user's own that still hold what they were shown."""
    network = Net()
    network(torch.rand(1, 3, 12, 12))
    return network


REFUSED = [
    Refused("memory and no frames", lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), snn.Leaky(beta=0.9, threshold=0.2, init_hidden=True)), "how many passes", "1"),
    Refused("memory of a handmade neuron and no frames", Net, "how many passes", "spikes"),
    Refused("memory that is not at rest", used, "not at rest; pass reset=", "spikes", {"frames": 3}),
    Refused("memory elsewhere", Elsewhere, r"outside of the module \(the global MEMORY of .*\)", "output",
            {"frames": 2}),
    Refused("random numbers of unknown origin", Entropy, "gives different values|keeps a memory"),
    Refused("images lost", Squeezing, "loses the axis of the images"),
    Refused("time or depth", Repeated, "state steps=3 to average over the calls, or steps=1", "block"),
    Refused("no tensor", Text, "returns str, not a tensor"),
    Refused("several maps by name", Pyramid, "choose one with select=: low, high"),
    Refused("units of tokens", Mixer, r"may hold the units; state channel_axis=", "across"),
    Refused("positions, as many as a later layer has units",
        lambda: SpatialSoftmax(9), r"may hold the units; state channel_axis=", "softmax"),
    Refused("tokens of several heads", SplitTokens, r"may hold the units; state channel_axis=", "turn"),
    Refused("rows of a map that is not square", lambda: nn.Sequential(nn.Conv2d(3, 4, 3), ToLast(4, 6)),
        r"may hold the units; state channel_axis=", "1", shape=(12, 18, 3)),
    Refused("a map of as many channels as rows and columns", lambda: nn.Sequential(nn.Conv2d(3, 10, 3), ToLast(10, 10)),
        r"may hold the units; state channel_axis=", "1"),
    Refused("steps that depend on the image", Steps, "depends on the image|beside other images", "lif"),
    Refused("more steps for some images", LongerInTheDark, "called more often than in the survey", "lif"),
    Refused("steps in doubt", lambda: _of_width(6), "may hold time steps|state", "output"),
    Refused("one norm per step", NormPerStep, "state steps=", "lif"),
    Refused("first step before the loop", Pulse, "from several places, and so is a neuron: state steps=6", "lif"),
    Refused("steps that do not divide", Latency, "steps=4 does not divide", "lif", {"steps": 4}),
    Refused("images of another size", lambda: nn.Sequential(nn.Flatten(), nn.Linear(7, 2)), "fails on a grey image"),
    Refused("images of another depth", lambda: nn.Conv2d(1, 2, 3), "fails on a grey image .* state shape="),
    Refused("a network of all steps, shown one image",
        lambda: nn.Sequential(layer.Conv2d(3, 4, 3, step_mode="m"), neuron.LIFNode(step_mode="m")),
        "state frames=N, multistep=True", "1", {"frames": 4}),
    Refused("flattened images", lambda: nn.Linear(12 * 12 * 3, 2), r"pass nn\.Sequential\(nn\.Flatten\(\), network\)"),
    Refused("lazy, never shown anything", lambda: nn.Sequential(nn.LazyConv2d(4, 3)), "lazy", "0"),
    Refused("a layer that is not called", Attending, "the forward pass does not call it",
            "attention.out_proj"),
    Refused("frames of no frame", Net, "frames must be a whole number of at least 1", options={"frames": 0}),
    Refused("neurons of fixed steps, one by one", lambda: nn.Sequential(
        layer.Conv2d(3, 4, 3), neuron.PSN(T=4)), "fails on a grey image", "1", {"frames": 4}),
    Refused("a reset that changes weights", Net, "reset= changes the weights", "conv",
            {"frames": 2, "reset": lambda net: net.conv.reset_parameters()}),
]  # fmt: skip


def _of_width(width: int) -> nn.Module:
    """As many steps as channels."""
    network = SharedNeurons()
    network.conv2 = nn.Conv2d(4, width, 3)
    return network
