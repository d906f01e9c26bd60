"""Networks drawn at random: what no author of a test would think of writing, in the layouts that authors use.

A forward pass is drawn line by line, as text, so that each call stands in a line of its own.
"""

import random
from collections import Counter
from collections.abc import Callable

import snntorch as snn
import torch
from spikingjelly.activation_based import neuron
from torch import Tensor, nn

from .specimen import Read, Specimen, frames, once

Layout = tuple[str, int]
"""Where the units are, in a "map", "last" of a map, behind "tokens" or in a "vector", and how many."""
AXES = {"map": 1, "last": 3, "tokens": 2, "vector": 1}


class Scale(nn.Module):
    """Of a class that nobody knows."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 1.5


class Written(nn.Module):
    """A module whose forward pass is given as text."""

    def __init__(self, parts: dict[str, nn.Module], lines: list[str]) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        text = "\n    ".join(["def run(self, x):", *lines])
        scope: dict[str, Callable[..., object]] = {}
        exec(compile(text, f"<{len(lines)} lines drawn>", "exec"), {"torch": torch}, scope)
        self._run = scope["run"]

    def forward(self, x: Tensor) -> object:
        return self._run(self, x)


class Draft:
    """A network while it is drawn: its parts, the lines of its forward pass, and the layout of every call."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.parts: dict[str, nn.Module] = {
            "relu": nn.ReLU(), "gelu": nn.GELU(), "drop": nn.Dropout(0.2), "scale": Scale(), "same": nn.Identity()
        }  # fmt: skip
        self.lines: list[str] = []
        self.read: dict[str, Read] = {}
        self.counts: Counter[str] = Counter()
        self.side = self.random.choice([12, 16])
        self.layout: Layout = ("map", 3)

    def call(self, name: str, layout: str, units: int, *, takes: str = "x", gives: str = "") -> None:
        """A line that calls a part."""
        number = self.counts[name]
        self.counts[name] += 1
        label = f"{name}_{number}" if number else name
        self.read[label] = Read(name, slice(number, number + 1), AXES[layout])
        self.lines.append(f"x = self.{name}({takes}){gives}")
        self.layout = layout, units

    def new(self, part: nn.Module) -> str:
        """The name of a new part."""
        name = f"part{len(self.parts)}"
        self.parts[name] = part
        return name

    def line(self, text: str, layout: str, units: int) -> None:
        """A line without a part."""
        self.lines.append(text)
        self.layout = layout, units

    def grow(self) -> None:
        """One operation more, and often a nonlinearity, new or one that serves others, too."""
        kind, units = self.layout
        width = self.random.choice([4, 5, 6, 8, 10])
        if kind == "map":
            self._grow_map(units, width)
        elif kind == "vector":
            self.call(self.new(nn.Linear(units, width)), "vector", width)
        else:
            self._grow_last(kind, units, width)
        shared = self.random.choice(["", "", "relu", "gelu", "drop", "scale", "same", "new"])
        if shared == "new":
            shared = self.new(self.random.choice([nn.ReLU, nn.Tanh, nn.Softplus, Scale])())
        if shared:
            self.call(shared, *self.layout)

    def _grow_map(self, units: int, width: int) -> None:
        choice = self.random.choice(["conv", "conv", "norm", "pool", "last", "tokens", "flat", "sum"])
        if choice == "conv":
            self.call(self.new(nn.Conv2d(units, width, 3, padding=1)), "map", width)
        elif choice == "norm":
            norm = self.random.choice([nn.BatchNorm2d(units), nn.GroupNorm(1, units), nn.InstanceNorm2d(units)])
            self.call(self.new(norm), "map", units)
        elif choice == "pool" and self.side >= 6:
            self.side //= 2
            self.call(self.new(self.random.choice([nn.MaxPool2d, nn.AvgPool2d])(2)), "map", units)
        elif choice == "last":
            self.line("x = x.permute(0, 2, 3, 1)", "last", units)
        elif choice == "tokens":
            self.line("x = x.flatten(2).transpose(1, 2)", "tokens", units)
        elif choice == "flat":
            self.lines.append("x = x.flatten(1)")
            self.call(self.new(nn.Linear(units * self.side**2, width)), "vector", width)
        else:
            self.line("x = x + torch.sin(x)", "map", units)

    def _grow_last(self, kind: str, units: int, width: int) -> None:
        choice = self.random.choice(["linear", "norm", "sum", "back", "mean", "attention", "block", "rows"])
        tokens = kind == "tokens"
        if choice == "linear":
            self.call(self.new(nn.Linear(units, width)), kind, width)
        elif choice == "norm":
            self.call(self.new(nn.LayerNorm(units)), kind, units)
        elif choice == "back" and not tokens:
            self.line("x = x.permute(0, 3, 1, 2)", "map", units)
        elif choice == "mean" and tokens:
            self.line("x = x.mean(1)", "vector", units)
        elif choice == "attention" and tokens and units % 2 == 0:
            part = self.new(nn.MultiheadAttention(units, 2, batch_first=True))
            self.call(part, kind, units, takes="x, x, x", gives="[0]")
        elif choice == "block" and tokens and units % 2 == 0:
            self.call(self.new(nn.TransformerEncoderLayer(units, 2, 8, batch_first=True)), kind, units)
        elif choice == "rows" and tokens:
            self.call(self.new(nn.GRU(units, width, batch_first=True)), kind, width, gives="[0]")
        else:
            self.line("x = x + torch.sin(x)", kind, units)


def still(seed: int) -> Specimen:
    """A network of a single pass."""

    def drawn() -> Draft:
        draft = Draft(seed)
        for _ in range(draft.random.randint(4, 10)):
            draft.grow()
        return draft

    with torch.random.fork_rng(devices=[]):
        draft = drawn()
    blocks = [name for name, part in draft.parts.items() if isinstance(part, nn.TransformerEncoderLayer)]
    inside = {
        f"{name}.{part}": Read(channel=2)
        for name in blocks
        for part, _ in draft.parts[name].named_modules()
        if part and not part.endswith("out_proj")  # which is not called
    }
    return Specimen(
        f"drawn {seed}",
        lambda: (draft := drawn()) and Written(draft.parts, [*draft.lines, "return x"]),
        once,
        shape=(Draft(seed).side, Draft(seed).side, 3),
        read={**draft.read, **inside, "output": Read(channel=AXES[draft.layout[0]])},
        tolerance=1e-5,
    )


NEURONS: dict[str, Callable[[float], nn.Module]] = {
    "leaky": lambda threshold: snn.Leaky(beta=0.9, threshold=threshold),
    "synaptic": lambda threshold: snn.Synaptic(alpha=0.8, beta=0.9, threshold=threshold),
    "hidden": lambda threshold: snn.Leaky(beta=0.9, threshold=threshold, init_hidden=True),
    "jelly": lambda threshold: neuron.LIFNode(tau=2.0, v_threshold=threshold),
}
OUTPUTS = {"torch.stack(out)": 2, "torch.stack(out, 1)": 2, "torch.stack(out, 2)": 1, "sum(out)": 1, "out[-1]": 1}


def spiking(seed: int) -> Specimen:
    """A network with a loop over time in its forward pass, or one that is shown an image frame by frame."""
    rng = random.Random(seed)
    steps, kind, loops = rng.choice([1, 2, 3, 6]), rng.choice(list(NEURONS)), rng.random() < 0.7
    explicit = kind in ("leaky", "synaptic")
    loops = loops or explicit
    layers = rng.randint(1, 3)
    widths = [3, *rng.choices([4, 5, 6, 8], k=layers)]
    norms, pools = rng.choices([True, False], k=layers), rng.choices([True, False], k=layers)
    shared, apart, before = rng.random() < 0.5, rng.random() < 0.5, loops and rng.random() < 0.3
    thresholds = rng.choices([0.1, 0.2, 0.4], k=layers)
    output = rng.choice(list(OUTPUTS))

    def make() -> nn.Module:
        parts: dict[str, nn.Module] = {
            "pool": nn.MaxPool2d(2),
            "relu": nn.ReLU(),
            "before": nn.Conv2d(3, 3, 3, padding=1),
        }
        for i in range(layers):
            parts[f"conv{i}"] = nn.Conv2d(widths[i], widths[i + 1], 3, padding=1)
            parts[f"norm{i}"] = nn.BatchNorm2d(widths[i + 1])
            parts[f"lif{i}"] = NEURONS[kind](thresholds[i])
        parts["head"] = nn.Linear(widths[-1], 7)
        return Written(parts, lines)

    step: list[str] = []
    for i in range(layers):
        step.append(f"y = self.conv{i}({'y' if i else 'x'})")
        step += [f"y = self.norm{i}(y)"] if norms[i] else []
        step += ["y = self.relu(y)"] if shared else []
        rest = f"self.lif{i}.init_{kind}()"
        states = {"leaky": f"v{i}", "synaptic": f"i{i}, v{i}"}.get(kind, "")
        if not explicit:
            step.append(f"y = self.lif{i}(y)")
        elif apart:  # the first step stands in another line than the others
            step += [f"if v{i} is None:", f"    y, {states} = self.lif{i}(y, {'*' * (kind == 'synaptic')}{rest})"]
            step += ["else:", f"    y, {states} = self.lif{i}(y, {states})"]
        else:
            step += [f"if v{i} is None:", f"    {states} = {rest}", f"y, {states} = self.lif{i}(y, {states})"]
        step += ["y = self.pool(y)"] if pools[i] and i < 2 else []
    step += ["y = y.mean((2, 3))", "y = self.head(y)"]
    step += ["y = self.relu(y)"] if shared else []
    lines = [f"v{i} = i{i} = None" for i in range(layers)] + ["x = self.before(x)"] * before
    if loops:
        lines += ["out = []", f"for _ in range({steps}):", *(f"    {line}" for line in [*step, "out.append(y)"])]
        lines += [f"return {output}"]
    else:
        lines += [*step, "return y"]
    options: dict[str, object] = {"frames": steps} if not loops else {} if explicit else {"frames": 1}
    read = {"output": Read(channel=OUTPUTS[output] if loops else 1), **_several(shared, pools, layers)}
    return Specimen(
        f"drawn to spike {seed}",
        make,
        once if loops else frames(steps),
        options,
        shape=(12, 12, 3),
        read=read,
        tolerance=1e-5,
    )


def _several(shared: bool, pools: list[bool], layers: int) -> dict[str, Read]:
    """How layers are read that are called several times in a step: every so many calls is one of theirs."""
    read: dict[str, Read] = {}
    for name, number in (("pool", sum(pools[:2][:layers])), ("relu", (layers + 1) * shared)):
        for k in range(number):
            read[f"{name}_{k}" if k else name] = Read(name, slice(k, None, number))
    return read
