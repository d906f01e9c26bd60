"""Networks of SpikingJelly: single-step and multi-step, containers, fixed numbers of steps, attention."""

import torch
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import Tensor, nn

from .specimen import Read, Specimen, frames, once

T = 5


def lif(**options: object) -> neuron.LIFNode:
    """Neurons that fire at the currents of random weights."""
    return neuron.LIFNode(**{"tau": 2.0, "v_threshold": 0.15, "surrogate_function": surrogate.ATan(), **options})


def single_step() -> nn.Module:
    """The first tutorial: flatten, one linear layer, neurons."""
    return nn.Sequential(layer.Flatten(), layer.Linear(432, 5, bias=False), lif())


class FashionNet(nn.Module):
    """Repeats the image itself, all steps in one pass, and returns the firing rate; neurons stay in multi-step mode."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_fc = nn.Sequential(
            layer.Conv2d(3, 4, 3, bias=False), layer.BatchNorm2d(4), lif(), layer.MaxPool2d(2, 2),
            layer.Conv2d(4, 6, 3, bias=False), layer.BatchNorm2d(6), lif(), layer.Flatten(),
            layer.Linear(54, 5, bias=False), lif(v_threshold=0.05),
        )  # fmt: skip
        functional.set_step_mode(self, "m")

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_fc(x.unsqueeze(0).repeat(T, 1, 1, 1, 1)).mean(0)


class StaticFirst(nn.Module):
    """The first convolution sees the image once; everything after it runs step by step in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.static_conv = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.conv = nn.Sequential(lif(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), lif())
        self.fc = nn.Sequential(nn.Flatten(), nn.Linear(54, 5), lif(v_threshold=0.05))

    def forward(self, x: Tensor) -> Tensor:
        x = self.static_conv(x)
        counter = self.fc(self.conv(x))
        for _ in range(1, T):
            counter = counter + self.fc(self.conv(x))
        return counter / T


class ResetsItself(nn.Module):
    """Calls `functional.reset_net` at the end of its own pass."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.sn = layer.Conv2d(3, 4, 3), lif()

    def forward(self, x: Tensor) -> Tensor:
        rate = torch.stack([self.sn(self.conv(x)) for _ in range(T)]).mean(0)
        functional.reset_net(self)
        return rate


def containers() -> nn.Module:
    """Stateless layers in containers, neurons in multi-step mode between them."""
    return nn.Sequential(
        layer.SeqToANNContainer(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)),
        lif(step_mode="m"),
        layer.SeqToANNContainer(nn.Flatten(), nn.Linear(400, 5)),
        lif(step_mode="m", v_threshold=0.03),
    )


class Repeats(nn.Module):
    """Repeats the image for a network in multi-step mode, and returns all steps."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.expand(T, *x.shape))


class SpikingBlock(nn.Module):
    """A residual block whose branches meet after the neurons (spike-element-wise addition)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1, self.sn1 = layer.Conv2d(width, width, 3, padding=1), layer.BatchNorm2d(width), lif()
        self.conv2, self.bn2, self.sn2 = layer.Conv2d(width, width, 3, padding=1), layer.BatchNorm2d(width), lif()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.sn2(self.bn2(self.conv2(self.sn1(self.bn1(self.conv1(x))))))


def residual() -> nn.Module:
    """A stem and two spiking residual blocks, single-step."""
    return nn.Sequential(
        layer.Conv2d(3, 4, 3, stride=2), layer.BatchNorm2d(4), lif(), SpikingBlock(4), SpikingBlock(4),
        layer.AdaptiveAvgPool2d(1), layer.Flatten(), layer.Linear(4, 5),
    )  # fmt: skip


def multistep_residual() -> nn.Module:
    """The same in multi-step mode, which repeats the image."""
    net = residual()
    functional.set_step_mode(net, "m")
    return Repeats(net)


class Readout(nn.Module):
    """Neurons that never fire: the last potential is the answer, of all steps in one call."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.sn, self.fc = layer.Conv2d(3, 4, 3), lif(), layer.Linear(4, 5)
        self.out = neuron.NonSpikingLIFNode(tau=2.0, decode="last_mem")
        functional.set_step_mode(self, "m")

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.fc(self.sn(self.conv(x.expand(T, *x.shape))).mean((3, 4))))


def parallel(make: object) -> nn.Module:
    """Neurons that need all steps at once."""
    neurons = make()  # type: ignore[operator]
    nn.init.zeros_(neurons.bias)  # a threshold that the currents of random weights reach
    return Repeats(nn.Sequential(layer.Conv2d(3, 4, 3, step_mode="m"), neurons))


class Attention(nn.Module):
    """Patches as tokens, spiking self-attention over them, all steps in one pass: [T, N, C, L]."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = layer.Conv2d(3, 8, 4, stride=4, step_mode="m")
        self.sn = lif(step_mode="m")
        self.attention = layer.SpikingSelfAttention(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.sn(self.embed(x.expand(T, *x.shape))).flatten(3)
        return (tokens + self.attention(tokens)).mean((0, 3))


SEQUENCE = Read(channel=2)
NET = [*(f"conv_fc.{i}" for i in range(10)), "conv_fc"]
MULTI = ["net", *(f"net.{i}" for i in range(8)), *(f"net.{b}.{n}{i}" for b in (3, 4) for n in ("conv", "bn", "sn")
                                                  for i in (1, 2))]  # fmt: skip
ATTENTION = ("qkv_conv_bn", "qkv_lif", "attn_lif", "proj_conv_bn", "proj_lif")

SPECIMENS = [
    Specimen("spikingjelly first tutorial, single-step", single_step, frames(T), {"frames": T}, ("1", "2")),
    Specimen("spikingjelly first tutorial, fused steps", single_step, frames(T), {"frames": T, "multistep": True},
             ("1", "2")),
    Specimen("spikingjelly repeats the image, multi-step", FashionNet, once, layers=(*NET[:-2], "conv_fc.9", "output"),
             read=dict.fromkeys(NET, SEQUENCE)),
    Specimen("spikingjelly static first layer, then a loop", StaticFirst, once,
             layers=("static_conv", "conv.0", "conv.3", "fc.2", "output")),
    Specimen("spikingjelly resets itself", ResetsItself, once, layers=("conv", "sn", "output")),
    Specimen("spikingjelly containers, repeated inside", lambda: Repeats(containers()), once,
             layers=("net.0.0", "net.0", "net.1", "net.2.1", "net.3"),
             read=dict.fromkeys(("net.0", "net.1", "net.2", "net.3", "net", "output"), SEQUENCE)),
    Specimen("spikingjelly containers, steps from outside", containers, lambda net, x: net(x.expand(T, *x.shape)),
             {"frames": T, "multistep": True}, ("0.0", "0", "1", "2.1", "3"),
             read=dict.fromkeys(("0", "1", "2", "3", "output"), SEQUENCE)),
    Specimen("spikingjelly residual, single-step", residual, frames(T), {"frames": T},
             ("2", "3.sn1", "3.sn2", "3", "4.sn2", "7")),
    Specimen("spikingjelly residual, multi-step", multistep_residual, once, layers=("net.2", "net.3.sn1", "net.4.sn2"),
             read=dict.fromkeys([*MULTI, "output"], SEQUENCE)),
    Specimen("spikingjelly learned time constant", lambda: nn.Sequential(
                layer.Conv2d(3, 4, 3), neuron.ParametricLIFNode(init_tau=3.0, v_threshold=0.2)), frames(T),
             {"frames": T}, ("1",)),
    Specimen("spikingjelly soft reset, no decay of input", lambda: nn.Sequential(
                layer.Conv2d(3, 4, 3), lif(tau=10.0, decay_input=False, v_reset=None)), frames(T), {"frames": T},
             ("1",)),
    Specimen("spikingjelly voltages are stored", lambda: nn.Sequential(layer.Conv2d(3, 4, 3), lif(store_v_seq=True)),
             frames(T), {"frames": T}, ("1",)),
    Specimen("spikingjelly votes of several neurons a class", lambda: nn.Sequential(
                layer.Flatten(), layer.Linear(432, 20), lif(), layer.VotingLayer(4)), frames(T), {"frames": T},
             ("2", "3")),
    Specimen("spikingjelly readout without spikes", Readout, once, layers=("sn", "fc", "out"),
             read=dict.fromkeys(("conv", "sn", "fc"), SEQUENCE)),
    Specimen("spikingjelly sequence container around a network", lambda: Repeats(layer.MultiStepContainer(
                nn.Conv2d(3, 4, 3), lif())), once, layers=("net.0", "net.1"),
             read=dict.fromkeys(("net", "output"), SEQUENCE)),
    Specimen("spikingjelly recurrent container", lambda: nn.Sequential(layer.Flatten(), layer.LinearRecurrentContainer(
                lif(), in_features=432, out_features=432)), frames(T), {"frames": T}, ("1",)),
    Specimen("spikingjelly parallel neurons of fixed steps", lambda: parallel(lambda: neuron.PSN(T=T)), once,
             layers=("net.0", "net.1"), read=dict.fromkeys(("net", "net.0", "net.1", "output"), SEQUENCE)),
    Specimen("spikingjelly sliding parallel neurons", lambda: parallel(lambda: neuron.SlidingPSN(k=2, step_mode="m")),
             once, layers=("net.0", "net.1"), read=dict.fromkeys(("net", "net.0", "net.1", "output"), SEQUENCE)),
    Specimen("spikingjelly integrate-and-fire and gated neurons", lambda: nn.Sequential(
                layer.Conv2d(3, 4, 3), neuron.IFNode(v_threshold=0.3), layer.Conv2d(4, 4, 3),
                neuron.KLIFNode(v_threshold=0.1)), frames(T), {"frames": T}, ("1", "3")),
    Specimen("spikingjelly attention over patches", Attention, once, layers=("embed", "sn", "output"),
             read=dict.fromkeys(("embed", "sn", "attention", *(f"attention.{part}" for part in ATTENTION)), SEQUENCE)),
]  # fmt: skip
