"""Time steps of a user's own network: wherever its loop stands, an activation is the mean over all of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

import amb
from amb.contracts.target import Target
from amb.errors import SpecError

snn = pytest.importorskip("snntorch")
neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
layer = pytest.importorskip("spikingjelly.activation_based.layer")
functional = pytest.importorskip("spikingjelly.activation_based.functional")

pytestmark = pytest.mark.usefixtures("one_thread")
STEPS = 6
SHAPE = (12, 12, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), dtype=np.uint8)
INPUT = torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255


def convolution(channels: int = 4, seed: int = 0) -> nn.Conv2d:
    """A convolution that drives neurons well; its map is 10x10."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = nn.Conv2d(3, channels, 3)
        with torch.no_grad():
            made.weight.mul_(3)
        return made


def linear(inputs: int, outputs: int, seed: int = 0) -> nn.Linear:
    """A fully connected layer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Linear(inputs, outputs)


def values(target: Target, layer: str) -> np.ndarray:
    """All units' activations for all images."""
    units = range(target.layers[layer])
    return np.stack([target.activations(IMAGES, [(layer, unit)] * len(IMAGES)) for unit in units], axis=1)


def check(target: Target, layer: str, right: Tensor, atol: float = 1e-6) -> None:
    """The values are the right ones, not all alike, and depend on the image alone: in any order and company."""
    found = values(target, layer)
    assert float(right.std()) > 0, "equal values would prove nothing"
    np.testing.assert_allclose(found, right.detach().double().numpy(), atol=atol)
    shuffled = target.activations(IMAGES[::-1], [(layer, 0)] * len(IMAGES))[::-1]
    alone = [target.activations(IMAGES[i : i + 1], [(layer, 0)])[0] for i in range(len(IMAGES))]
    assert np.array_equal(found[:, 0], shuffled)
    assert np.array_equal(found[:, 0], alone)


class Tutorial(nn.Module):
    """Memories threaded through a loop, spikes and potentials of the last layer stacked time first."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = convolution(), linear(400, 7)
        self.lif1, self.lif2 = snn.Leaky(beta=0.9), snn.Synaptic(alpha=0.5, beta=0.9, threshold=0.3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first, (current, second) = self.lif1.init_leaky(), self.lif2.init_synaptic()
        spikes, potentials = [], []
        for _ in range(STEPS):
            out, first = self.lif1(self.conv(x), first)
            out, current, second = self.lif2(self.fc(out.flatten(1)), current, second)
            spikes.append(out)
            potentials.append(second)
        return torch.stack(spikes), torch.stack(potentials)


class BatchFirst(Tutorial):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[0].transpose(0, 1)


class Listed(Tutorial):
    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        spikes, potentials = super().forward(x)
        return list(spikes), list(potentials)


class ByName(Tutorial):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        spikes, potentials = super().forward(x)
        return {"spikes": spikes, "potentials": potentials}


@pytest.mark.parametrize("make", [Tutorial, BatchFirst, Listed])
def test_a_loop_inside_the_forward_pass_is_averaged_over(make: Callable[[], nn.Module]) -> None:
    """Not its first step alone; stacked time first, images first or as a list of steps."""
    target = amb.target(make(), shape=SHAPE)
    rate = Tutorial()(INPUT)[0].mean(0)
    assert dict(target.layers) == {"conv": 4, "lif1": 4, "fc": 7, "lif2": 7, "output": 7}
    check(target, "output", rate)
    check(target, "lif2", rate)
    check(amb.target(make(), shape=SHAPE, steps=STEPS), "lif2", rate)


def test_spikes_and_membranes_can_be_selected() -> None:
    potential = Tutorial()(INPUT)[1].mean(0)
    check(amb.target(Tutorial(), shape=SHAPE, select="membrane"), "lif2", potential)
    check(amb.target(Tutorial(), shape=SHAPE, select={"output": 1}), "output", potential)
    check(amb.target(ByName(), shape=SHAPE, select="potentials"), "output", potential)
    with pytest.raises(SpecError, match="choose one with select=: spikes, potentials"):
        amb.target(ByName(), shape=SHAPE).problem("toy", 0, layer="output")
    with pytest.raises(SpecError, match="fits no layer"):
        _ = amb.target(nn.Sequential(convolution()), shape=SHAPE, select=1).layers


class Repeating(nn.Module):
    """Of SpikingJelly's multi-step layers; it repeats its input itself."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self.net = nn.Sequential(layer.SeqToANNContainer(convolution(), nn.BatchNorm2d(4)), neuron.IFNode())
        self.resets = reset
        functional.set_step_mode(self.net, "m")

    def forward(self, x: Tensor) -> Tensor:
        if self.resets:
            functional.reset_net(self)
        return self.net(x.unsqueeze(0).repeat(STEPS, 1, 1, 1, 1)).mean(0)


@pytest.mark.parametrize("reset", [False, True])
def test_multi_step_networks_that_repeat_their_input(reset: bool) -> None:
    """The layers in containers fold steps into the axis of images; potentials are recorded when they are selected."""
    network = Repeating(reset=False).eval()
    network.net[1].store_v_seq = True
    rate = network(INPUT).mean((2, 3))
    target = amb.target(Repeating(reset=reset), shape=SHAPE)
    check(target, "output", rate)
    check(target, "net.1", rate)
    check(target, "net.0.0", network.net[0][0](INPUT).mean((2, 3)))
    membrane = amb.target(Repeating(reset=reset), shape=SHAPE, select="membrane")
    check(membrane, "net.1", network.net[1].v_seq.mean((0, 3, 4)))


class FirstStepOutside(nn.Module):
    """SpikingJelly's first tutorial: one step before the loop over the others, the rate as output."""

    def __init__(self) -> None:
        super().__init__()
        self.still = convolution()
        self.net = nn.Sequential(neuron.LIFNode(v_threshold=0.3), nn.Flatten(), linear(400, 5))

    def forward(self, x: Tensor) -> Tensor:
        x = self.still(x)
        total = self.net(x)
        for _ in range(1, STEPS):
            total = total + self.net(x)
        return total / STEPS


def test_a_first_step_outside_the_loop_is_a_step() -> None:
    network, spikes = FirstStepOutside(), []
    network.net[0].register_forward_hook(lambda module, inputs, output: spikes.append(output))
    out = network(INPUT)
    target = amb.target(FirstStepOutside(), shape=SHAPE)
    assert dict(target.layers) == {"still": 4, "net.0": 4, "net.1": 400, "net.2": 5, "net": 5, "output": 5}
    check(target, "net.0", torch.stack(spikes).mean((0, 3, 4)))
    check(target, "output", out)


class SharedInTime(nn.Module):
    """One rectifier in two places, in a loop over time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.lif = convolution(), nn.ReLU(), snn.Leaky(beta=0.9)

    def forward(self, x: Tensor) -> Tensor:
        memory = self.lif.init_leaky()
        for _ in range(STEPS):
            spikes, memory = self.lif(self.relu(1 - self.relu(self.conv(x))), memory)
        return spikes


def test_a_submodule_in_two_places_of_a_loop_is_two_layers() -> None:
    target = amb.target(SharedInTime(), shape=SHAPE)
    first = convolution()(INPUT).relu()
    check(target, "relu", first.mean((2, 3)))
    check(target, "relu_1", (1 - first).relu().mean((2, 3)))


class Deep(nn.Module):
    """A rectifier that all layers share, in a loop over layers."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.conv, self.relu = convolution(), nn.ReLU()
        self.layers = nn.ModuleList(nn.Conv2d(4, 4, 1) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        for part in self.layers:
            x = self.relu(part(x))
        return x


@pytest.mark.parametrize("depth", [2, 3])
def test_a_loop_over_layers_is_not_one_over_time(depth: int) -> None:
    layers = amb.target(Deep(depth), shape=SHAPE).layers
    assert [name for name in layers if name.startswith("relu")] == ["relu", "relu_1", "relu_2"][:depth]


class Repeated(nn.Module):
    """A block that is applied three times: in time, or one after the other?"""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.block = convolution(), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        for _ in range(3):
            x = self.block(x).relu()
        return x.mean((2, 3))


def test_what_may_be_steps_or_layers_must_be_stated() -> None:
    """The layer is not offered, and asking for it says what to state."""
    target = amb.target(Repeated(), shape=SHAPE)
    assert dict(target.layers) == {"conv": 4, "output": 4}
    with pytest.raises(SpecError, match=r"block of own cannot be measured: it is called 3 times .* steps=3 .* steps=1"):
        target.activations(IMAGES, [("block", 0)] * 5)
    assert list(amb.target(Repeated(), shape=SHAPE, steps=1).layers) == [
        "conv",
        "block",
        "block_1",
        "block_2",
        "output",
    ]
    assert list(amb.target(Repeated(), shape=SHAPE, steps=3).layers) == ["conv", "block", "output"]


class WritesInPlace(nn.Module):
    """What its convolution returns is written to, so it cannot be kept for the next step."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif = convolution(), snn.Leaky(beta=0.9)

    def forward(self, x: Tensor) -> Tensor:
        memory, record = self.lif.init_leaky(), []
        for step in range(STEPS):
            spikes, memory = self.lif(self.conv(x).mul_(step), memory)
            record.append(spikes)
        return torch.stack(record)


def test_a_convolution_of_the_image_is_computed_once_unless_it_is_written_to() -> None:
    """Counted in calls of the kernel; values are those of a plain loop either way."""
    check(amb.target(WritesInPlace(), shape=SHAPE), "lif", WritesInPlace()(INPUT).mean((0, 3, 4)))
    target, counted = amb.target(Tutorial(), shape=SHAPE), []
    check(target, "lif2", Tutorial()(INPUT)[0].mean(0))

    class Counting(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            counted.append(func) if func is torch.conv2d else None
            return func(*args, **(kwargs or {}))

    with Counting():
        target.activations(IMAGES, [("lif2", 1)] * len(IMAGES))
    assert len(counted) == 1


def test_equal_numbers_of_spikes_are_equal_activations() -> None:
    """Spikes are summed exactly and divided once: every activation is a whole number over 600."""
    target = amb.target(nn.Sequential(convolution(32), neuron.IFNode()), shape=SHAPE, frames=STEPS)
    counts = values(target, "1") * 600
    assert np.array_equal(np.rint(counts) / 600, values(target, "1"))
    assert len(np.unique(counts)) > 50


NEURONS = {
    "Alpha": lambda: snn.Alpha(alpha=0.9, beta=0.8, init_hidden=True),
    "RLeaky": lambda: snn.RLeaky(beta=0.9, conv2d_channels=4, kernel_size=3, init_hidden=True, threshold=0.4),
    "RSynaptic": lambda: snn.RSynaptic(alpha=0.8, beta=0.9, all_to_all=False, init_hidden=True),
    "with its states": lambda: snn.Leaky(beta=0.9, init_hidden=True, output=True),
    "PLIF": lambda: neuron.ParametricLIFNode(v_threshold=0.3),
    "recurrent container": lambda: layer.ElementWiseRecurrentContainer(neuron.IFNode(), torch.add),
}


@pytest.mark.parametrize("name", NEURONS)
def test_neurons_that_step_once_a_pass(name: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(convolution(), NEURONS[name]())
    target = amb.target(network, shape=SHAPE, frames=STEPS)
    outputs = [network(INPUT) for _ in range(STEPS)]
    spikes = [output[0] if isinstance(output, tuple) else output for output in outputs]
    check(target, "1", torch.stack(spikes).mean((0, 3, 4)))


def test_neurons_of_a_fixed_number_of_steps() -> None:
    """They are surveyed with that number; a readout without time is read as it is."""

    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.psn = layer.SeqToANNContainer(convolution()), neuron.PSN(T=4)
            with torch.no_grad():
                self.psn.weight.copy_(torch.tril(torch.ones(4, 4)))
            self.head = layer.SeqToANNContainer(nn.Flatten(), linear(400, 5))

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.psn(self.conv(x))).mean(0)

    x = INPUT.expand(4, *INPUT.shape)
    target = amb.target(Fixed(), shape=SHAPE, frames=4, multistep=True)
    check(target, "output", Fixed()(x))
    check(target, "head.1", Fixed()(x))
    check(target, "psn", Fixed().psn(Fixed().conv(x)).mean((0, 3, 4)))


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        ({"steps": STEPS + 3}, "none is called as often in a pass"),
        ({"channel_axis": 9}, "the axis of the units is known"),
        ({"time_axis": 9}, "none returns several steps"),
        ({"select": "membrane"}, "none returns several values"),
    ],
)
def test_a_choice_that_fits_no_layer_is_refused(choice: dict[str, Any], why: str) -> None:
    """It would change the fingerprint, and nothing else."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    with pytest.raises(SpecError, match=rf"own: {next(iter(choice))}=.* fits no layer; {why}"):
        dict(amb.target(network, shape=SHAPE, **choice).layers)


def test_a_true_choice_is_taken_where_it_is_known_without_it() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    assert dict(amb.target(network, shape=SHAPE, channel_axis=1).layers) == dict(
        amb.target(network, shape=SHAPE).layers
    )


class Taken(nn.Module):
    """Its submodules have the names that its own output and a second call of `relu` would have."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.relu_1, self.output = convolution(), nn.ReLU(), nn.ReLU(), linear(4, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.relu(self.conv(x))
        x = self.relu(1 - self.relu_1(2 - x))
        x = self.output(x.mean((2, 3)))
        return x.softmax(1), x.exp()


def test_a_layer_that_is_no_submodule_has_a_name_that_no_submodule_has() -> None:
    """`output` was the submodule of that name, and the network's own output no layer at all."""
    target = amb.target(Taken(), shape=SHAPE, select={"output_1": 1})
    assert list(target.layers) == ["conv", "relu", "relu_1", "relu_2", "output", "output_1"]
    first = convolution()(INPUT).relu()
    second = (2 - first).relu()
    third = (1 - second).relu()
    logits = linear(4, 3)(third.mean((2, 3)))
    rights = {"relu": first, "relu_1": second, "relu_2": third}
    for name, right in rights.items():
        check(target, name, right.mean((2, 3)))
    check(target, "output", logits)
    check(target, "output_1", logits.exp())


class Fire(nn.Module):
    """Adds up four steps, those of one image one after the other, and fires above a threshold."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, x: Tensor) -> Tensor:
        return (x.unflatten(0, (-1, 4)).cumsum(1) > self.threshold).float().flatten(0, 1)


class FoldedSteps(nn.Module):
    """Its steps stand in the axis of the images; the brightest unit fires in the last, for white images only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 5, 3)
        self.conv.weight.data.abs_()
        self.fire = Fire(3.5 * float(self.conv(torch.ones(1, 3, 32, 32)).detach().max()))

    def forward(self, x: Tensor) -> Tensor:
        return self.fire(self.conv(x.repeat_interleave(4, 0))).flatten(1).unflatten(0, (-1, 4)).mean(1)


def test_a_layer_that_is_silent_for_the_images_tried_does_not_get_other_images_steps() -> None:
    """Which steps of a batch are an image's could not be told, and it got those of the images beside it."""
    torch.manual_seed(0)
    network = FoldedSteps()
    unit = int(network.conv(torch.ones(1, 3, 32, 32)).amax((2, 3)).argmax())
    target = amb.target(network, name="n")
    images = np.zeros((8, 32, 32, 3), np.uint8)
    images[::3] = 255
    together = target.activations(images, [("fire", unit)] * 8)
    assert together.tolist() == [0.25, 0, 0, 0.25, 0, 0, 0.25, 0]
    assert [target.activations(image[None], [("fire", unit)])[0] for image in images] == together.tolist()
