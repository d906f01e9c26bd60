"""Networks of snnTorch: explicit states, hidden states, loops inside the forward pass, in the tutorials' shapes."""

from collections.abc import Callable

import snntorch as snn
import torch
from snntorch import spikegen, utils
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from .specimen import Read, Specimen, frames, once

T = 6


class FullyConnected(nn.Module):
    """Two layers of neurons, states passed by hand, all steps in one pass, spikes and membranes of the last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(12 * 12 * 3, 20), snn.Leaky(beta=0.9, threshold=0.3)
        self.fc2, self.lif2 = nn.Linear(20, 5), snn.Leaky(beta=0.8, threshold=0.1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes, membranes = [], []
        x = x.view(x.size(0), -1)
        for _ in range(T):
            spk1, mem1 = self.lif1(self.fc1(x), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
            membranes.append(mem2)
        return torch.stack(spikes, dim=0), torch.stack(membranes, dim=0)


class FirstApart(nn.Module):
    """Calls its neurons from another place in the first step, in which it makes their states."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.conv1, self.lif1 = nn.Conv2d(3, 4, 3), snn.Leaky(beta=0.9, threshold=0.2)
        self.conv2, self.lif2 = nn.Conv2d(4, 4, 3), snn.Leaky(beta=0.9, threshold=0.1)
        self.fc, self.steps = nn.Linear(4, 5), steps

    def forward(self, x: Tensor) -> Tensor:
        states: dict[nn.Module, Tensor] = {}
        out = 0
        for _ in range(self.steps):
            y = x
            for conv, lif in ((self.conv1, self.lif1), (self.conv2, self.lif2)):
                if lif in states:
                    y, states[lif] = lif(conv(y), states[lif])
                else:
                    y, states[lif] = lif(conv(y), lif.init_leaky())
            out = out + self.fc(y.mean((2, 3)))
        return out / self.steps


class ByKeyword(nn.Module):
    """Calls its layers by keyword."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif, self.fc = nn.Conv2d(3, 4, 3), snn.Leaky(beta=0.9, threshold=0.2), nn.Linear(400, 5)

    def forward(self, x: Tensor) -> Tensor:
        mem = self.lif.init_leaky()
        return sum(self.fc(input=spk.flatten(1)) for spk, mem in (self.lif(self.conv(input=x), mem) for _ in range(T)))


class Facilitating(nn.Module):
    """Synapses that become stronger from step to step, and are put back at the end of the pass."""

    def __init__(self, change: Callable[[nn.Conv2d, float], object]) -> None:
        super().__init__()
        self.conv, self.lif, self.fc = nn.Conv2d(3, 4, 3), snn.Leaky(beta=0.9, threshold=0.5), nn.Linear(400, 5)
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        mem, out, weight = self.lif.init_leaky(), 0, self.conv.weight.data
        for step in range(T):
            self.change(self.conv, 2.0 ** (step % 3))
            spk, mem = self.lif(self.conv(x), mem)
            out = out + self.fc(spk.flatten(1))
            self.change(self.conv, 0.5 ** (step % 3))
        self.conv.weight.data = weight
        return out / T


def replaced(conv: nn.Conv2d, factor: float) -> None:
    conv.weight.data = conv.weight.data * factor


def scaled(conv: nn.Conv2d, factor: float) -> None:
    conv.weight.data.mul_(factor)


class Gain(nn.Module):
    """A factor of weights, which the forward pass sets."""

    factor = 1.0

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.factor


def with_gain() -> nn.Module:
    """The same by a parametrization."""

    def change(conv: nn.Conv2d, factor: float) -> None:
        conv.parametrizations.weight[0].factor = max(factor, 1.0)  # type: ignore[union-attr,index]

    network = Facilitating(change)
    parametrize.register_parametrization(network.conv, "weight", Gain())
    return network


class Convolutional(nn.Module):
    """Convolutions and pooling between neurons whose states are passed by hand; the summed spikes are returned."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.lif1 = nn.Conv2d(3, 4, 3), snn.Leaky(beta=0.9, threshold=0.2)
        self.conv2, self.lif2 = nn.Conv2d(4, 6, 3), snn.Leaky(beta=0.9, threshold=0.1)
        self.fc, self.lif3 = nn.Linear(6, 5), snn.Leaky(beta=0.9, threshold=0.5, reset_mechanism="zero")

    def forward(self, x: Tensor) -> Tensor:
        mem1, mem2, mem3 = self.lif1.init_leaky(), self.lif2.init_leaky(), self.lif3.init_leaky()
        counts = 0
        for _ in range(T):
            spk1, mem1 = self.lif1(F.max_pool2d(self.conv1(x), 2), mem1)
            spk2, mem2 = self.lif2(self.conv2(spk1).mean((2, 3), keepdim=True), mem2)
            spk3, mem3 = self.lif3(self.fc(spk2.flatten(1)), mem3)
            counts = counts + spk3
        return counts


def hidden(**options: object) -> nn.Module:
    """A sequence with hidden states; the last neurons also return their membranes."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), snn.Leaky(beta=0.9, threshold=0.2, init_hidden=True, **options),
        nn.Flatten(), nn.Linear(4 * 25, 5), snn.Leaky(beta=0.9, threshold=0.1, init_hidden=True, output=True),
    )  # fmt: skip


class SelfResetting(nn.Module):
    """Resets its neurons through the library's registry, then loops; the rate is returned."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif = nn.Conv2d(3, 4, 3), snn.Leaky(beta=0.9, threshold=0.2, init_hidden=True)

    def forward(self, x: Tensor) -> Tensor:
        utils.reset(self)
        return torch.stack([self.lif(self.conv(x)) for _ in range(T)]).mean(0)


class Wrapped(nn.Module):
    """A network that resets itself, inside another."""

    def __init__(self) -> None:
        super().__init__()
        self.net = SelfResetting()
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.net(x).mean((2, 3)))


class Synaptic(nn.Module):
    """Neurons of second order, whose two states are passed by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif = nn.Conv2d(3, 4, 3), snn.Synaptic(alpha=0.8, beta=0.9, threshold=0.5)
        self.fc, self.out = nn.Linear(4, 5), snn.Synaptic(alpha=0.7, beta=0.8, threshold=0.2)

    def forward(self, x: Tensor) -> Tensor:
        syn1, mem1 = self.lif.init_synaptic()
        syn2, mem2 = self.out.init_synaptic()
        spikes = []
        for _ in range(T):
            spk, syn1, mem1 = self.lif(self.conv(x), syn1, mem1)
            spk, syn2, mem2 = self.out(self.fc(spk.mean((2, 3))), syn2, mem2)
            spikes.append(spk)
        return torch.stack(spikes)


class Recurrent(nn.Module):
    """Spikes return to their own layer."""

    def __init__(self, neuron: nn.Module, states: int) -> None:
        super().__init__()
        self.fc, self.rlif, self.states = nn.Linear(12 * 12 * 3, 8), neuron, states

    def forward(self, x: Tensor) -> Tensor:
        state = self.rlif.init_rleaky() if self.states == 1 else self.rlif.init_rsynaptic()
        spikes = []
        for _ in range(T):
            state = self.rlif(self.fc(x.flatten(1)), *state)
            spikes.append(state[0])
        return torch.stack(spikes)


class ConvLSTM(nn.Module):
    """A spiking convolutional LSTM with states passed by hand, then neurons."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = snn.SConv2dLSTM(3, 4, 3, threshold=0.05)
        self.fc, self.lif = nn.Linear(4, 5), snn.Leaky(beta=0.9, threshold=0.05)

    def forward(self, x: Tensor) -> Tensor:
        syn, mem = self.cell.init_sconv2dlstm()
        out = self.lif.init_leaky()
        spikes = []
        for _ in range(T):
            spk, syn, mem = self.cell(x, syn, mem)
            spk, out = self.lif(self.fc(spk.mean((2, 3))), out)
            spikes.append(spk)
        return torch.stack(spikes)


class NormPerStep(nn.Module):
    """A batch norm of its own for every step, as in batch norm through time: each is a layer that is called once."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif = nn.Conv2d(3, 4, 3), snn.Leaky(beta=0.9, threshold=0.3)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(T))

    def forward(self, x: Tensor) -> Tensor:
        mem = self.lif.init_leaky()
        spikes = []
        for norm in self.norms:
            spk, mem = self.lif(norm(self.conv(x)), mem)
            spikes.append(spk)
        return torch.stack(spikes)


class SharedNeurons(nn.Module):
    """One stateless neuron module for two layers: two calls in every step, from two places."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 7, 3)
        self.lif = snn.Leaky(beta=0.9, threshold=0.2)

    def forward(self, x: Tensor) -> Tensor:
        mem1, mem2 = self.lif.init_leaky(), self.lif.init_leaky()
        spikes = []
        for _ in range(T):
            first, mem1 = self.lif(self.conv1(x), mem1)
            second, mem2 = self.lif(self.conv2(first), mem2)
            spikes.append(second)
        return torch.stack(spikes)


class Latency(nn.Module):
    """The image is turned into the times of first spikes, all of which are shown one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif = nn.Conv2d(3, 4, 3), snn.Leaky(beta=0.9, threshold=0.1)

    def forward(self, x: Tensor) -> Tensor:
        mem = self.lif.init_leaky()
        spikes = []
        for frame in spikegen.latency(x, num_steps=T, normalize=True, linear=True):
            spk, mem = self.lif(self.conv(frame), mem)
            spikes.append(spk)
        return torch.stack(spikes)


class Recorded(nn.Module):
    """Returns its recordings by name."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif = nn.Conv2d(3, 4, 3), snn.Leaky(beta=0.9, threshold=0.2, init_hidden=True, output=True)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        self.lif.reset_mem()
        steps = [self.lif(self.conv(x)) for _ in range(T)]
        return {"spikes": torch.stack([s for s, _ in steps]), "voltage": torch.stack([v for _, v in steps])}


class Pulse(nn.Module):
    """Sees the image in the first step only, which stands before the loop; then its spikes go round."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.again = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1)
        self.lif = snn.Leaky(beta=0.9, threshold=0.2)

    def forward(self, x: Tensor) -> Tensor:
        spk, mem = self.lif(self.conv(x), self.lif.init_leaky())
        spikes = [spk]
        for _ in range(1, T):
            spk, mem = self.lif(self.again(spk), mem)
            spikes.append(spk)
        return torch.stack(spikes)


class TimeLast(nn.Module):
    """Stacks its steps in the last axis."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(12 * 12 * 3, 5), snn.Leaky(beta=0.9, threshold=0.1)

    def forward(self, x: Tensor) -> Tensor:
        mem = self.lif.init_leaky()
        spikes = []
        for _ in range(T):
            spk, mem = self.lif(self.fc(x.flatten(1)), mem)
            spikes.append(spk)
        return torch.stack(spikes, dim=2)


LOOP = {"output": Read(channel=2)}
SPECIMENS = [
    Specimen("snntorch fully connected, explicit states", FullyConnected, once, layers=("lif1", "lif2", "output"),
             read=LOOP),
    Specimen("snntorch membrane of fully connected", FullyConnected, once, {"select": "membrane"},
             ("lif1", "lif2"), read={"lif1": Read(pick=lambda out: out[1]), "lif2": Read(pick=lambda out: out[1]),
                                     "output": Read(channel=2)}),
    Specimen("snntorch first step apart", lambda: FirstApart(6), once, layers=("conv1", "conv2", "lif2", "fc")),
    Specimen("snntorch first of two steps apart", lambda: FirstApart(2), once, layers=("conv1", "conv2", "lif1", "fc")),
    Specimen("snntorch layers called by keyword", ByKeyword, once, layers=("conv", "lif", "fc")),
    Specimen("snntorch weights replaced in every step", lambda: Facilitating(replaced), once, layers=("conv", "lif")),
    Specimen("snntorch weights written to in every step", lambda: Facilitating(scaled), once, layers=("conv", "lif")),
    Specimen("snntorch weights computed in every step", with_gain, once, layers=("conv", "lif", "fc")),
    Specimen("snntorch convolutional, summed spikes", Convolutional, once, layers=("conv1", "lif1", "lif2", "output")),
    Specimen("snntorch hidden states, frame by frame", hidden, frames(T), {"frames": T}, ("0", "1", "2", "4", "5")),
    Specimen("snntorch hidden states, immediate reset", lambda: hidden(reset_delay=False, reset_mechanism="zero"),
             frames(T), {"frames": T}, ("2", "5")),
    Specimen("snntorch learned decay and threshold", lambda: hidden(learn_beta=True, learn_threshold=True), frames(T),
             {"frames": T}, ("2", "5")),
    Specimen("snntorch lateral inhibition", lambda: nn.Sequential(
                nn.Flatten(), nn.Linear(432, 5), snn.Leaky(beta=0.9, threshold=0.1, init_hidden=True, inhibition=True)),
             frames(T), {"frames": T}, ("2",)),
    Specimen("snntorch alpha neurons", lambda: nn.Sequential(
                nn.Conv2d(3, 4, 3), snn.Alpha(alpha=0.9, beta=0.8, threshold=0.1, init_hidden=True)), frames(T),
             {"frames": T}, ("1",)),
    Specimen("snntorch lapicque neurons", lambda: nn.Sequential(
                nn.Conv2d(3, 4, 3), snn.Lapicque(beta=0.8, threshold=0.1, init_hidden=True)), frames(T),
             {"frames": T}, ("1",)),
    Specimen("snntorch resets itself", SelfResetting, once, layers=("conv", "lif", "output")),
    Specimen("snntorch resets itself inside another", Wrapped, once, layers=("net.lif", "net", "head")),
    Specimen("snntorch synaptic neurons", Synaptic, once, layers=("lif", "out", "output"), read=LOOP),
    Specimen("snntorch recurrent, all to all", lambda: Recurrent(
                snn.RLeaky(beta=0.9, linear_features=8, threshold=0.1), 1), once, layers=("rlif", "output"), read=LOOP),
    Specimen("snntorch recurrent, one to one", lambda: Recurrent(
                snn.RSynaptic(alpha=0.7, beta=0.9, all_to_all=False, V=0.5, threshold=0.3), 2), once,
             layers=("rlif", "output"), read=LOOP),
    Specimen("snntorch convolutional LSTM", ConvLSTM, once, {"channel_axis": {"cell": 1}},
             ("cell", "lif", "output"), read=LOOP),
    Specimen("snntorch one norm per step", NormPerStep, once, {"steps": T},
             ("conv", "lif", "norms.0", "norms.5", "output"), read=LOOP),
    Specimen("snntorch one neuron module for two layers", SharedNeurons, once, layers=("lif", "lif_1", "output"),
             read={"lif": Read(calls=slice(0, None, 2)), "lif_1": Read("lif", slice(1, None, 2)),
                   "output": Read(channel=2)}),
    Specimen("snntorch latency code", Latency, once, layers=("conv", "lif", "output"), read=LOOP),
    Specimen("snntorch recordings by name", Recorded, once, {"select": {"output": "voltage"}}, ("lif", "output"),
             read={"output": Read(channel=2, pick=lambda out: out["voltage"])}),
    Specimen("snntorch first step before the loop, stated", Pulse, once, {"steps": T}, ("lif", "output"), read=LOOP),
    Specimen("snntorch steps in the last axis", TimeLast, once, layers=("lif", "output")),
]  # fmt: skip
