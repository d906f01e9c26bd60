"""What a network keeps outside of itself, where no copy and no rest reaches: refused if it changes answers."""

import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import amb
from amb.errors import SpecError

CACHE: dict[Any, Tensor] = {}
SEEN: dict[str, Tensor] = {}
LAST: Tensor | None = None
LOCAL = threading.local()


class Net(nn.Module):
    """A convolution; what a subclass answers comes from a cache."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class ByKey(Net):
    """Answers images alike in some respect with what it first answered."""

    def __init__(self, key: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.key = key

    def forward(self, x: Tensor) -> Tensor:
        key = self.key(x)
        if key not in CACHE:
            CACHE[key] = self.conv(x)
        return CACHE[key]


class Rebound(Net):
    """Keeps its first answer under a global name."""

    def forward(self, x: Tensor) -> Tensor:
        global LAST
        if LAST is None or len(LAST) != len(x):
            LAST = self.conv(x)
        return LAST


class OfTheClass(Net):
    """Keeps a running mean in its class."""

    mean = None

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        OfTheClass.mean = y.mean() if OfTheClass.mean is None else 0.9 * OfTheClass.mean + 0.1 * y.mean()
        return y - OfTheClass.mean


class ByDefault(Net):
    """Keeps its first answer in a default."""

    def forward(self, x: Tensor, memo: dict[int, Tensor] = {}) -> Tensor:  # noqa: B006
        return memo.setdefault(len(x), self.conv(x))


class OfTheThread(Net):
    """Keeps its first answer in a thread's own storage, behind a function."""

    def forward(self, x: Tensor) -> Tensor:
        return _first(self.conv(x))


def _first(y: Tensor) -> Tensor:
    if len(getattr(LOCAL, "y", ())) != len(y):
        LOCAL.y = y
    return LOCAL.y


class Key:
    """Equal to all others."""

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


@functools.lru_cache
def _cached(conv: nn.Module, number: int, key: Key) -> Tensor:
    return conv(key.x)


class ByFunctools(Net):
    """Its answers are those of a cache whose keys are all equal."""

    def forward(self, x: Tensor) -> Tensor:
        return _cached(self.conv, len(x), Key(x))


class Neuron(nn.Module):
    """Integrates, in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("v", torch.zeros(1, 4, 10, 10))

    def forward(self, x: Tensor) -> Tensor:
        self.v = 0.5 * self.v + x
        return self.v


NEURON = Neuron()


class AnotherNetwork(Net):
    """Calls a network with a memory that is not one of its parts."""

    def forward(self, x: Tensor) -> Tensor:
        return NEURON(self.conv(x))


def captured() -> nn.Module:
    """Its first answer is kept in a variable that its forward pass captures."""
    memo: dict[int, Tensor] = {}

    class Captured(Net):
        def forward(self, x: Tensor) -> Tensor:
            return memo.setdefault(len(x), self.conv(x))

    return Captured()


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda: ByKey(len), "the global CACHE of "),
        (lambda: ByKey(lambda x: (len(x), round(float(x.mean()), 2))), "the global CACHE of "),
        (lambda: ByKey(lambda x: (len(x), float(x.flatten()[0]))), "the global CACHE of "),
        (Rebound, "the global LAST of "),
        (OfTheClass, "an attribute of the class OfTheClass"),
        (ByDefault, "a default or attribute of the function ByDefault.forward"),
        (OfTheThread, "the global LOCAL of "),
        (ByFunctools, "the cache of _cached"),
        (AnotherNetwork, "the global NEURON of "),
        (captured, "memo, which captured.<locals>.Captured.forward captures"),
    ],
)
def test_an_answer_from_what_was_kept_of_another_image_is_refused(make: Callable[[], nn.Module], where: str) -> None:
    """Every image had the first one's value, or that of one alike; the refusal says where it is kept."""
    CACHE.clear()
    with pytest.raises(SpecError, match="outside of the module") as refused:
        dict(amb.target(make().eval(), name="net", shape=(12, 12, 3)).layers)
    assert where in str(refused.value)
    assert not CACHE  # nor does the examination leave anything there
    assert LAST is None


class Window(Net):
    """Multiplies by a window, which is made once for each size, and counts its calls."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        Window.calls += 1
        return self.conv(x * _window(x.shape[-1]))


@functools.lru_cache
def _window(size: int) -> Tensor:
    return torch.hann_window(size)


def hooked() -> nn.Module:
    """A hook notes its last activations, as in torch's tutorials."""
    net = Net()
    net.conv.register_forward_hook(lambda part, x, y: SEEN.update(conv=y.detach()))
    return net


@pytest.mark.parametrize("make", [Window, hooked])
def test_what_changes_no_answer_may_be_kept(make: Callable[[], nn.Module]) -> None:
    target = amb.target(make().eval(), name="net", shape=(12, 12, 3))
    images = np.random.default_rng(1).integers(0, 256, (5, 12, 12, 3), dtype=np.uint8)
    units = [("conv", 1)] * 5
    np.testing.assert_array_equal(target.activations(images, units), target.activations(images[::-1], units)[::-1])


class FirstAttribute(Net):
    """Computes its answer once and keeps it in an attribute."""

    y: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.y is None:
            self.y = self.conv(x)
        return self.y * 1


def test_an_answer_kept_in_an_attribute_is_a_memory() -> None:
    """It is put back before every image; what it is asked for is how many passes a presentation has."""
    with pytest.raises(SpecError, match=r"keeps a memory .*\(frames=1 for one\)"):
        dict(amb.target(FirstAttribute().eval(), name="net", shape=(12, 12, 3)).layers)
    target = amb.target(FirstAttribute().eval(), name="net", shape=(12, 12, 3), frames=1)
    images = np.random.default_rng(1).integers(0, 256, (3, 12, 12, 3), dtype=np.uint8)
    assert len(set(target.activations(images, [("output", 1)] * 3))) == 3


SCALE = {"now": 1.0}


class PutsBack(Net):
    """Changes a global and torch's default while it runs, and puts both back at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.deep = nn.Conv2d(4, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        torch.set_default_dtype(torch.float64)
        y = self.conv(x * SCALE["now"])
        SCALE["now"] = 0.5
        y = self.deep(y).mean((2, 3))
        SCALE["now"] = 1.0
        torch.set_default_dtype(torch.float32)
        return y


def test_what_a_pass_puts_back_at_its_end_is_put_back() -> None:
    """A pass ended when the layer asked for had answered, and what it had changed outside stayed so for good."""
    target = amb.target(PutsBack(), name="n", shape=(12, 12, 3))
    images = np.random.default_rng(0).integers(0, 256, (3, 12, 12, 3), dtype=np.uint8)
    first = target.activations(images, [("conv", 1)] * 3)
    assert (SCALE, torch.get_default_dtype()) == ({"now": 1.0}, torch.float32)
    assert np.array_equal(target.activations(images, [("conv", 1)] * 3), first)
    with torch.no_grad():
        plain = Net().conv(torch.from_numpy(images).permute(0, 3, 1, 2) / 255)[:, 1].double().mean((1, 2))
    assert first == pytest.approx(plain.numpy(), abs=1e-6)
