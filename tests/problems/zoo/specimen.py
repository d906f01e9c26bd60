"""What the zoo's networks are described by, and the plain loop that each is checked against.

The plain loop knows nothing of `amb`: it builds the network anew for every image, shows it the image as its authors
would, records the output of every submodule with a hook of its own, and takes means in float64.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

OUTPUT = "output"
"""The layer of the network's own output."""


@dataclass(frozen=True)
class Read:
    """How the plain loop reads a layer.

    Attributes:
        module: the submodule; by default the one of the layer's name.
        calls: which of its calls in a presentation; by default all, and their mean is taken.
        channel: the axis of the units; None: there is one unit.
        pick: the tensor of an output; by default the output, or the first value of a tuple.
    """

    module: str | None = None
    calls: slice = field(default_factory=lambda: slice(None))
    channel: int | None = 1
    pick: Callable[[object], Tensor] | None = None


@dataclass(frozen=True)
class Specimen:
    """A network as a user would bring it.

    Attributes:
        name: its name in the tests.
        make: creates it; weights come from torch's global generator, which is seeded.
        show: one presentation of one image, float32[1, c, h, w] in 0..1, to a new network at rest.
        options: those of `amb.target`.
        layers: layers that must be offered, whose values must differ between images.
        shape: height, width and channels of its images.
        read: layers that are not read by default.
        channel: the axis of the units of all other layers.
        tolerance: how far values may be from the plain loop's, which adds its numbers in another order.
    """

    name: str
    make: Callable[[], nn.Module]
    show: Callable[[nn.Module, Tensor], object]
    options: Mapping[str, object] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    shape: tuple[int, int, int] = (12, 12, 3)
    read: Mapping[str, Read] = field(default_factory=dict)
    channel: int | None = 1
    tolerance: float = 2e-6

    def built(self) -> nn.Module:
        """A new network with its weights, in training mode, as it comes from the user."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self.make()

    def images(self, number: int, seed: int = 0) -> NDArray[np.uint8]:
        """Random images; one half of each is darker, so that images differ in more than their noise."""
        rng = np.random.default_rng(seed)
        pixels = rng.integers(0, 256, (number, *self.shape))
        return (pixels * rng.uniform(0.2, 1, (number, 1, 1, self.shape[2]))).astype(np.uint8)

    def plain(self, image: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
        """The activations of every submodule that is called, by a plain loop: float64[units] each."""
        network = self.built().eval()
        outputs: dict[str, list[object]] = {}

        def hook(name: str) -> Callable[[nn.Module, object, object], None]:
            return lambda module, inputs, output: outputs.setdefault(name or OUTPUT, []).append(_kept(output))

        modules = dict(network.named_modules())
        handles = [
            module.register_forward_hook(hook(name))
            for name, module in modules.items()
            if not isinstance(module, torch.jit.ScriptModule)
        ]
        x = torch.from_numpy(image.astype(np.float32) / np.float32(255)).permute(2, 0, 1)[None].contiguous()
        with torch.random.fork_rng(devices=[]):
            shown = self.show(network, x)
        for handle in handles:  # neurons of one library share parts, even between networks
            handle.remove()
        outputs.setdefault(OUTPUT, [shown])
        read = {name: Read(channel=self.channel) for name in outputs} | dict(self.read)
        values = {}
        for layer, how in read.items():
            calls = outputs[how.module or layer][how.calls]
            try:
                values[layer] = np.mean([_units(output, how) for output in calls], axis=0)
            except (IndexError, TypeError, AttributeError):
                continue  # a container's tuple or a scalar: nothing that could be a layer
        return values


def _kept(output: object) -> object:
    """A copy: what follows may overwrite it in place."""
    if isinstance(output, Tensor):
        return output.detach().clone()
    if isinstance(output, tuple | list) and not hasattr(output, "_fields"):
        return type(output)(map(_kept, output))
    return output


def _units(output: object, how: Read) -> NDArray[np.float64]:
    tensor = how.pick(output) if how.pick is not None else output[0] if isinstance(output, tuple) else output
    values = tensor.detach().double().numpy()  # type: ignore[union-attr]
    if how.channel is None:
        return values.mean().reshape(1)
    channel = range(values.ndim)[how.channel]
    return values.mean(tuple(axis for axis in range(values.ndim) if axis != channel))


def once(network: nn.Module, x: Tensor) -> object:
    """A presentation that is one forward pass."""
    return network(x)


def frames(number: int) -> Callable[[nn.Module, Tensor], object]:
    """A presentation that is so many forward passes with the same image."""

    def show(network: nn.Module, x: Tensor) -> object:
        return [network(x) for _ in range(number)][-1]

    return show
