"""Networks of plain torch: classifiers, shared layers, tokens, recurrence over rows, odd inputs, computed weights."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from .specimen import Read, Specimen, once


def classifier() -> nn.Module:
    """Convolutions, norms, rectifiers in place, dropout, a class output."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Dropout(0.5),
        nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.LeakyReLU(0.1, inplace=True), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(6, 5),
    )  # fmt: skip


class Block(nn.Module):
    """A residual block that uses one rectifier twice, the second time in place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(x + y)


def residual() -> nn.Module:
    """A stem and two residual blocks."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), Block(4), Block(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))


class Transformer(nn.Module):
    """Patches as tokens with a class token: [n, tokens, features]."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1)
        return self.head(self.norm(self.block(tokens))[:, 0])


class ChannelsLast(nn.Module):
    """A block that norms and mixes its channels in the last axis."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3), nn.LayerNorm(8)
        self.expand, self.gelu, self.reduce = nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.reduce(self.gelu(self.expand(self.norm(x.permute(0, 2, 3, 1)))))
        return x + y.permute(0, 3, 1, 2)


class NormOverTokens(nn.Module):
    """Tokens and their features normed together, in channels-last order: [n, tokens, features]."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.linear = nn.Conv2d(3, 8, 4, stride=4), nn.Linear(8, 6)
        self.norm, self.act = nn.LayerNorm([9, 6]), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.linear(self.embed(x).flatten(2).transpose(1, 2))))


class SpatialSoftmax(nn.Module):
    """A softmax over the positions of a map; the linear layer behind it may be as wide as the map has positions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv, self.flat, self.softmax = nn.Conv2d(3, 8, 4, stride=4), nn.Flatten(2), nn.Softmax(-1)
        self.hidden, self.head = nn.Linear(8 * 9, width), nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.conv(x)
        return self.head(F.relu(self.hidden((self.softmax(self.flat(maps)) * maps.flatten(2)).flatten(1))))


class WeakerInside(nn.Module):
    """Runs with weaker synapses, and puts them back at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.deep = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.conv.weight.data
        self.conv.weight.data = weight * 0.5
        y = self.deep(self.conv(x))
        self.conv.weight.data = weight
        return y.mean((2, 3))


class OneRectifier(nn.Module):
    """The same rectifier behind convolutions and behind a linear layer, as most classifiers are written."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.relu, self.pool = (
            nn.Conv2d(3, 5, 3),
            nn.Conv2d(5, 6, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.fc1, self.fc2 = nn.Linear(24, 7), nn.Linear(7, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu(self.conv1(x)))
        x = self.relu(self.conv2(x))[:, :, ::2, ::2]
        return self.fc2(self.relu(self.fc1(x.flatten(1))))


class OneGelu(nn.Module):
    """The same nonlinearity on tokens and, before and behind them, on maps."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm, self.back = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8), nn.Conv2d(8, 6, 1)
        self.wide, self.gelu = nn.Linear(8, 10), nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(self.gelu(self.embed(x)).flatten(2).transpose(1, 2))
        tokens = tokens + self.gelu(self.wide(tokens))[..., :8]
        return self.gelu(self.back(tokens.transpose(1, 2).unflatten(2, (3, 3)))).mean((2, 3))


class Gated(nn.Module):
    """Features, and a gate around 100."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.a(x), 100 + self.b(x)


class TwiceGated(nn.Module):
    """A block of two outputs that is called twice, and another one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block, self.other = nn.Conv2d(3, 4, 3), Gated(), Gated()

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.block(self.stem(x))
        y, _ = self.block(torch.relu(y))
        y, gate = self.other(y)
        return (y * gate.sigmoid()).mean((2, 3))


class SplitTokens(nn.Module):
    """Splits the features of tokens into heads: [n, tokens, heads, width], which looks like a map."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm, self.turn, self.head = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8), Turning(), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(self.embed(x).flatten(2).transpose(1, 2))
        return self.head((tokens + self.turn(tokens.unflatten(2, (2, 4))).flatten(2)).mean(1))


class Turning(nn.Module):
    """Turns half of the features by the other half, as position embeddings do."""

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, -1)
        return torch.cat([left - 0.5 * right, left + 0.5 * right], -1)


class ToLast(nn.Module):
    """A convolution of one pixel that writes its channels last."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("nchw,cd->nhwd", x, self.weight)


class Mixer(nn.Module):
    """Mixes tokens, then channels: one linear layer has its units across tokens, and so they must be stated."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.across, self.within = nn.Conv2d(3, 8, 4, stride=4), Mixing(9, 9), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.within(self.across(self.embed(x).flatten(2)).transpose(1, 2))


class Mixing(nn.Module):
    """A linear map of the last axis, as a module of one's own."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x @ self.weight.T)


class Rows(nn.Module):
    """Reads the image row by row with a recurrent layer, which returns all its outputs and its state."""

    def __init__(self, cell: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.rnn, self.head = cell(36, 8, batch_first=True), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        outputs, _ = self.rnn(x.permute(0, 2, 1, 3).flatten(2))
        return self.head(outputs[:, -1])


class Relaxing(nn.Module):
    """A convolution that feeds back on itself while the image stays: the same block in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.input, self.lateral, self.act = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        state = torch.zeros(1)
        for _ in range(4):
            drive = self.input(x)
            state = self.act(drive + (self.lateral(state) if state.ndim > 1 else 0))
        return state


class Heads(NamedTuple):
    """Two answers."""

    classes: Tensor
    features: Tensor


class Named(nn.Module):
    """Returns a named tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Heads:
        features = self.conv(x)
        return Heads(self.fc(features.mean((2, 3))), features)


class Pyramid(nn.Module):
    """Returns feature maps of two sizes by name."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3, stride=2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        low = self.low(x)
        return {"low": low, "high": self.high(low)}


class Energy(nn.Module):
    """Answers with the gradient of an energy, so it needs autograd in its own pass."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            energy = self.conv(x).square().sum()
            return torch.autograd.grad(energy, x)[0]


class Double(nn.Module):
    """Computes in float64, and converts its input itself."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ELU(), nn.Flatten(), nn.Linear(400, 5)).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.double())


def normed() -> nn.Module:
    """Weights that are computed from others."""
    return nn.Sequential(
        parametrizations.weight_norm(nn.Conv2d(3, 4, 3)), nn.ReLU(), nn.Flatten(),
        parametrizations.spectral_norm(nn.Linear(400, 5)),
    )  # fmt: skip


def lazy() -> nn.Module:
    """Sizes that the first image decides."""
    network = nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(5))
    network(torch.zeros(1, 3, 12, 12))
    return network


def traced() -> nn.Module:
    """A traced module inside a plain one."""
    inner = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
    return nn.Sequential(torch.jit.trace(inner, torch.zeros(1, 3, 12, 12)), nn.Flatten(), nn.Linear(400, 5))


def grey() -> nn.Module:
    """For digits of one channel."""
    return nn.Sequential(nn.Conv2d(1, 4, 5), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4 * 16, 5))


def wide() -> nn.Module:
    """For images that are not square."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Conv2d(4, 5, (6, 12)), nn.Flatten())


class Scaled(nn.Module):
    """Weights shared by two paths: one convolution that is called at two scales."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.conv(x)
        coarse = self.conv(F.avg_pool2d(x, 2))
        return self.fc(torch.cat([fine.amax((2, 3)), coarse.amax((2, 3))], 1))


TOKENS = Read(channel=-1)
BLOCK = ("block", *(f"block.{part}" for part in ("self_attn", "norm1", "norm2", "linear1", "linear2", "dropout",
                                                 "dropout1", "dropout2")))  # fmt: skip
BLOCKS = ("1.relu", "1.relu_1", "2.relu", "2.relu_1")
SPECIMENS = [
    Specimen("torch classifier with rectifiers in place", classifier, once, layers=("0", "2", "5", "7", "10")),
    Specimen("torch residual, one rectifier twice", residual, once, layers=(*BLOCKS, "2", "5"),
             read={name: Read(name.split("_")[0], slice(name.endswith("_1"), 1 + name.endswith("_1")))
                   for name in BLOCKS}),
    Specimen("torch transformer", Transformer, once, layers=("embed", "block", "norm", "head"),
             read=dict.fromkeys(("norm", *BLOCK), TOKENS)),
    Specimen("torch channels last", ChannelsLast, once, layers=("stem", "norm", "expand", "gelu", "output"),
             read=dict.fromkeys(("norm", "expand", "gelu", "reduce"), TOKENS)),
    Specimen("torch weights that are put back", WeakerInside, once, layers=("conv", "deep", "output")),
    Specimen("torch one rectifier", OneRectifier, once, layers=("relu", "relu_1", "relu_2", "pool", "fc1", "fc2"),
             read={name: Read("relu", slice(i, i + 1)) for i, name in enumerate(("relu", "relu_1", "relu_2"))}),
    Specimen("torch one nonlinearity on maps and tokens", OneGelu, once, layers=("gelu", "gelu_1", "gelu_2", "wide"),
             read={"norm": TOKENS, "wide": TOKENS, "gelu": Read("gelu", slice(0, 1)),
                   "gelu_1": Read("gelu", slice(1, 2), 2), "gelu_2": Read("gelu", slice(2, 3))}),
    Specimen("torch block twice, its outputs chosen call by call", TwiceGated, once,
             {"select": {"block_1": 1, "other": 1}}, ("block", "block_1", "other"), read={
                 "block": Read("block", slice(0, 1)), "other": Read(pick=lambda out: out[1]),
                 "block_1": Read("block", slice(1, 2), pick=lambda out: out[1]),
                 **{f"block.{part}{end}": Read(f"block.{part}", slice(i, i + 1))
                    for part in "ab" for i, end in enumerate(("", "_1"))}}),
    Specimen("torch norm over tokens and features", NormOverTokens, once, layers=("embed", "linear", "norm", "act"),
             read=dict.fromkeys(("linear", "norm", "act", "output"), TOKENS)),
    Specimen("torch norm over channels and positions", lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.LayerNorm([8, 10, 10]), nn.GELU()), once, layers=("0", "1", "2")),
    Specimen("torch mixer, units stated", Mixer, once, {"channel_axis": {"across": 1}},
             ("embed", "across", "within"), read={"within": TOKENS, "output": TOKENS}),
    Specimen("torch GRU over rows", lambda: Rows(nn.GRU), once, layers=("rnn", "head"), read={"rnn": TOKENS}),
    Specimen("torch LSTM over rows", lambda: Rows(nn.LSTM), once, layers=("rnn", "head"), read={"rnn": TOKENS}),
    Specimen("torch convolution that feeds back", Relaxing, once, {"steps": 4}, ("act",), read={
        "lateral": Read(calls=slice(None))}),
    Specimen("torch named answers", Named, once, {"select": "features"}, ("conv",),
             read={"output": Read(pick=lambda out: out.features)}),
    Specimen("torch feature maps by name", Pyramid, once, {"select": "high"}, ("low", "high"),
             read={"output": Read(pick=lambda out: out["high"])}),
    Specimen("torch gradients in the pass", Energy, once, layers=("conv", "output"), tolerance=1e-5),
    Specimen("torch float64", Double, once, layers=("net.0", "net.1", "net.3")),
    Specimen("torch computed weights", normed, once, layers=("0", "1", "3")),
    Specimen("torch lazy, initialized", lazy, once, layers=("0", "3")),
    Specimen("torch traced module inside", traced, once, layers=("2",)),
    Specimen("torch grey images", grey, once, layers=("0", "1", "2", "4"), shape=(12, 12, 1)),
    Specimen("torch images that are not square", wide, once, layers=("0", "1", "3"), shape=(8, 14, 3)),
    Specimen("torch one convolution at two scales", Scaled, once, layers=("conv", "conv_1", "fc"),
             read={"conv": Read(calls=slice(0, 1)), "conv_1": Read("conv", slice(1, 2))}),
]  # fmt: skip
