"""A user's own network against the loop that its author would write, as ratios of processor time inside one process."""

from collections.abc import Callable
from time import process_time

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn

import amb
from amb_problems.tables.engine_speed import stimuli

pytestmark = [pytest.mark.benchmark_ratio, pytest.mark.usefixtures("one_thread")]

IMAGES = 32


class StepsInside(nn.Module):
    """As in the snnTorch tutorials: all steps in one forward pass, spikes of the last layer stacked."""

    steps = 25

    def __init__(self) -> None:
        super().__init__()
        snntorch = pytest.importorskip("snntorch")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.conv1, self.conv2 = nn.Conv2d(3, 12, 5), nn.Conv2d(12, 32, 5)
            self.pool, self.fc = nn.MaxPool2d(2), nn.Linear(32 * 5 * 5, 10)
        self.lif1, self.lif2, self.lif3 = (snntorch.Leaky(beta=0.9, threshold=0.3) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        first, second, third = (lif.init_leaky() for lif in (self.lif1, self.lif2, self.lif3))
        record = []
        for _ in range(self.steps):
            spikes, first = self.lif1(self.pool(self.conv1(x)), first)
            spikes, second = self.lif2(self.pool(self.conv2(spikes)), second)
            spikes, third = self.lif3(self.fc(spikes.flatten(1)), third)
            record.append(spikes)
        return torch.stack(record)


def one_step() -> nn.Module:
    """One step a forward pass, of SpikingJelly's neurons."""
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 12, 5),
            neuron.LIFNode(v_threshold=0.3),
            nn.MaxPool2d(2),
            nn.Conv2d(12, 32, 5),
            neuron.LIFNode(v_threshold=0.3),
            nn.Flatten(),
            nn.Linear(32 * 10 * 10, 10),
        )


def without_memory() -> nn.Module:
    """A small convolutional network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.Flatten()]
        return nn.Sequential(*layers, nn.Linear(64 * 13 * 13, 10))


CASES = {
    "steps inside, last layer": (StepsInside, None, "lif3", 1),
    "steps inside, first layer": (StepsInside, None, "lif1", 1),
    "one step a pass": (one_step, 20, "4", 20),
    "no memory, middle layer": (without_memory, None, "1", 1),
}


def plain_loop(network: nn.Module, layer: str, passes: int) -> Callable[[np.ndarray], Tensor]:
    """The mean response of a layer's channels: a hook, all images in one batch, one pass after the other."""

    def run(images: np.ndarray) -> Tensor:
        x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        outputs: list[Tensor] = []
        read = network.get_submodule(layer).register_forward_hook(
            lambda module, inputs, output: outputs.append(output[0] if isinstance(output, tuple) else output)
        )
        for part in network.modules():
            if passes > 1 and hasattr(part, "reset"):
                part.reset()
        with torch.no_grad():
            for _ in range(passes):
                network(x)
        read.remove()
        responses = torch.stack(outputs)
        return responses.flatten(3).mean((0, 3)) if responses.ndim > 3 else responses.mean(0)

    return run


@pytest.mark.parametrize("case", CASES)
def test_an_own_network_is_as_fast_as_a_plain_loop(benchmark: BenchmarkFixture, case: str) -> None:
    """Although it is exact: bits that depend on the image alone, and spikes that are summed before they are divided."""
    make, frames, layer, passes = CASES[case]
    images = stimuli(IMAGES)
    target, loop = amb.target(make(), frames=frames), plain_loop(make().eval(), layer, passes)
    units = [(layer, 1)] * IMAGES
    np.testing.assert_allclose(target.activations(images, units), loop(images)[:, 1], rtol=1e-3, atol=1e-3)
    seconds: dict[str, list[float]] = {"amb": [], "loop": []}

    def both() -> None:
        for name, run in (("amb", lambda: target.activations(images, units)), ("loop", lambda: loop(images))):
            start = process_time()
            run()
            seconds[name].append(process_time() - start)

    benchmark.pedantic(both, rounds=15, warmup_rounds=1)
    ratio = min(seconds["loop"]) / min(seconds["amb"])
    benchmark.extra_info["times the plain loop"] = round(ratio, 2)
    assert ratio >= 1.0
