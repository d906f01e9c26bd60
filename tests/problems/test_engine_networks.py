"""Chains of stages unlike those of the shipped targets, with random exact weights, against a plain loop."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from amb.errors import CheckpointError
from amb_problems.cards import Reset
from amb_problems.engine.evaluator import Evaluator
from amb_problems.engine.stages import Affine, Network, Neuron, Pool, Stage

pytestmark = pytest.mark.usefixtures("one_thread")


def affine(
    rng: torch.Generator,
    inputs: int,
    outputs: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: int = 0,
    pixels: bool = False,
) -> Affine:
    weight = torch.randint(-127, 128, (outputs, inputs, kernel, kernel), generator=rng, dtype=torch.int8)
    fan = inputs * kernel * kernel
    power = 6 + round(np.log2(fan) / 2) + (6 if pixels else -1)
    scale = torch.ldexp(torch.ones(outputs), torch.randint(-power - 1, -power + 1, (outputs,), generator=rng))
    bias = torch.randint(-60, 200, (outputs,), generator=rng).float() * scale
    return Affine(weight, scale, bias, stride, padding)


def paper_geometry(seed: int, frames: int) -> Network:
    """ImageNet's stem on small images: a wide strided kernel, padded pooling of spikes, maps down to one position."""
    rng = torch.Generator().manual_seed(seed)
    stages = [Stage("sn1", affine(rng, 3, 16, 7, stride=2, padding=3, pixels=True), spike_pool=Pool(3, 2, 1))]
    inputs = 16
    for name, outputs, stride in (("a", 16, 1), ("b", 24, 2), ("c", 32, 2), ("d", 40, 2)):
        down = affine(rng, inputs, outputs, 1, stride=stride) if stride > 1 else None
        shortcut = stages[-1].name
        stages += [
            Stage(f"{name}.sn1", affine(rng, inputs, outputs, 3, stride=stride, padding=1)),
            Stage(f"{name}.sn2", affine(rng, outputs, outputs, 3, padding=1), shortcut=shortcut, downsample=down),
        ]
        inputs = outputs
    return Network(tuple(stages), Neuron(), frames)


def pooled_currents(seed: int, frames: int) -> Network:
    """Padded pooling of currents in two layers, and neurons that fire above another threshold."""
    rng = torch.Generator().manual_seed(seed)
    stages = (
        Stage("one", affine(rng, 3, 12, 5, pixels=True), pool=Pool(2, 2)),
        Stage("two", affine(rng, 12, 20, 3), pool=Pool(2, 2)),
        Stage("three", affine(rng, 20, 9, 3, padding=1), pool=Pool(3, 2)),
        Stage("four", affine(rng, 9, 5, 2)),
    )
    return Network(stages, Neuron(0.75, 0.5, strict=True), frames)


def subtracting(seed: int, frames: int) -> Network:
    """Integrators without a leak that subtract their threshold: nothing is periodic. The first spikes are pooled."""
    rng = torch.Generator().manual_seed(seed)
    stages = (
        Stage("one", affine(rng, 3, 12, 5, stride=2, padding=2, pixels=True), spike_pool=Pool(2, 2)),
        Stage("two", affine(rng, 12, 20, 3, padding=1), pool=Pool(2, 2)),
        Stage("three", affine(rng, 20, 12, 4)),
    )
    return Network(stages, Neuron(1.0, 1.0, reset="subtract"), frames)


def shortcut_to_the_first_layer(reset: Reset) -> Callable[[int, int], Network]:
    """A residual block right after the first layer, whose spikes are needed themselves, not only their sums."""

    def make(seed: int, frames: int) -> Network:
        rng = torch.Generator().manual_seed(seed)
        stages = (
            Stage("one", affine(rng, 3, 12, 4, stride=4, pixels=True)),
            Stage("a.sn1", affine(rng, 12, 12, 3, padding=1)),
            Stage("a.sn2", affine(rng, 12, 12, 3, padding=1), shortcut="one"),
            Stage("last", affine(rng, 12, 7, 8)),
        )
        return Network(stages, Neuron(0.9, 0.75, reset=reset), frames)

    return make


def plain_counts(network: Network, images: np.ndarray) -> dict[str, np.ndarray]:
    """Frame after frame through every layer."""

    def apply(a: Affine, x: Tensor) -> Tensor:
        return conv2d(x, a.weight.float() * a.scale.view(-1, 1, 1, 1), a.bias, a.stride, a.padding)

    image = torch.from_numpy(images).permute(0, 3, 1, 2).float() - 128
    potentials: dict[str, Tensor] = {}
    totals: dict[str, Tensor] = {}
    for _ in range(network.frames):
        x, sent = image, {}
        for stage in network.stages:
            current = apply(stage.affine, x)
            if stage.pool:
                current = max_pool2d(current, stage.pool.kernel, stage.pool.stride, stage.pool.padding)
            if stage.shortcut:
                source = sent[stage.shortcut]
                current = current + (apply(stage.downsample, source) if stage.downsample else source)
            v = potentials.get(stage.name, torch.zeros_like(current)) * network.neuron.decay + current
            threshold = network.neuron.threshold
            fires = v > threshold if network.neuron.strict else v >= threshold
            after = torch.zeros_like(v) if network.neuron.reset == "zero" else v - threshold
            potentials[stage.name] = torch.where(fires, after, v)
            x = fires.float()
            totals[stage.name] = totals.get(stage.name, 0) + x.flatten(2).sum(2)
            if stage.spike_pool:
                x = max_pool2d(x, stage.spike_pool.kernel, stage.spike_pool.stride, stage.spike_pool.padding)
            sent[stage.name] = x
    return {name: total.long().numpy() for name, total in totals.items()}


CHAINS = {
    "paper": paper_geometry,
    "pooled": pooled_currents,
    "subtracting": subtracting,
    "early shortcut": shortcut_to_the_first_layer("zero"),
    "early shortcut, subtracting": shortcut_to_the_first_layer("subtract"),
}


@pytest.mark.parametrize("backend", ["events", "integers", "products", "floats", "eager"])
@pytest.mark.parametrize("make", CHAINS.values(), ids=CHAINS)
@pytest.mark.parametrize("frames", [1, 20, 70])
def test_any_chain_counts_what_the_plain_loop_counts(
    make: Callable[[int, int], Network], backend: str, frames: int
) -> None:
    """Every unit of every layer, for all kinds of strides, pooling, shortcuts and map sizes."""
    network = make(frames, frames)
    images = np.random.default_rng(frames).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    images[1] //= 3
    expected, evaluator = plain_counts(network, images), Evaluator(network, backend=backend)
    if frames == 20:
        assert all(expected[name].sum() > 0 for name in network.names), "a silent layer would prove nothing"
    for name, units in network.units.items():
        result = evaluator.unit_counts(images, name, tuple(range(units)))
        assert np.array_equal(expected[name], result), name


@pytest.mark.parametrize("make", CHAINS.values(), ids=CHAINS)
def test_a_probe_and_one_pass_and_repeated_frames_count_the_same(make: Callable[[int, int], Network]) -> None:
    """One unit of each image, all layers at once, and the same image given frame by frame: the plain loop's counts."""
    network = make(3, 12)
    images = np.random.default_rng(3).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    expected, evaluator = plain_counts(network, images), Evaluator(network)
    everything = evaluator.layer_counts(images, network.names)
    for name, units in network.units.items():
        assert np.array_equal(expected[name], everything[name]), name
        probes = [(name, (3 * i) % units) for i in range(5)]
        probed = evaluator.counts(images, probes)
        assert probed.tolist() == [expected[name][i, unit] for i, (_, unit) in enumerate(probes)], name
        repeated = evaluator.frame_counts(5, lambda i: np.stack([images[i]] * network.frames), name, (0, 2))
        assert np.array_equal(expected[name][:, [0, 2]], repeated), name


def test_weights_whose_sums_could_be_rounded_are_refused() -> None:
    rng = torch.Generator().manual_seed(0)
    good = affine(rng, 3, 4, 5, pixels=True)
    fine = Affine(good.weight, good.scale, good.bias + 2.0**-23, good.stride, good.padding)
    with pytest.raises(CheckpointError, match="float32 holds"):
        Network((Stage("sn1", fine),), Neuron(), 20)
    with pytest.raises(CheckpointError, match="powers of two"):
        Affine(good.weight, good.scale * 3, good.bias)
