"""The suites: named, versioned sets of problems.

Units are drawn at random, not chosen: `draw` is the rule, and tests repeat the draw of every list from its seed. Dead
units, which respond identically to every image, are left out first; `amb references` finds them.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from amb.contracts.suite import Suite

QUICK_SEED = 1
LAYERS_SEED = 2
ANN_SEED = 3
MNIST_SEED = 4


DEAD: Mapping[str, Mapping[str, Sequence[int]]] = {
    "ann-alexnet": {"classifier.2": (25, 44, 49, 107)},
    "small-max-b": {"sn3": (15, 21)},
}
"""Units that are left out, by target and layer."""


def draw(
    units: Mapping[str, int], each: int, *, seed: int | Sequence[int], dead: Mapping[str, Sequence[int]]
) -> list[str]:
    """The units of a suite: `each` from every layer, without replacement, as ``<layer>/<unit>``.

    Args:
        units: number of units of every layer, in the order of the network.
        each: number of units drawn from each layer.
        seed: seed (one or several numbers) of the one random generator that draws for all layers in turn.
        dead: units that respond identically to every image; they are left out before the draw.
    """
    rng = np.random.default_rng(seed)
    drawn = []
    for layer, number in units.items():
        alive = np.setdiff1d(np.arange(number), dead.get(layer, ()))
        drawn += [f"{layer}/{unit}" for unit in sorted(rng.choice(alive, each, replace=False).tolist())]
    return drawn


def _before(pair: str, *units: str) -> tuple[str, ...]:
    return tuple(f"{pair}/{unit}" for unit in units)


quick = Suite(
    name="quick",
    version=2,
    problems=_before(
        "cifar10-sngan-int8/snn-cnn",
        *("sn1/29", "sn1/32", "sn1/48"),
        *("sn2/8", "sn2/51", "sn2/60"),
        *("sn3/27", "sn3/41", "sn3/85"),
        *("out/3", "out/5", "out/9"),
    ),
    budget=500,
    seeds=3,
    description="Three units of every spiking layer of the convolutional network: minutes on two cores.",
)

fig5 = Suite(
    name="fig5",
    version=4,
    problems=(
        "cifar10-sngan-int8/snn-cnn/sn1/0",
        "cifar10-sngan-int8/snn-resnet18/sn1/0",
        "cifar10-sngan-int8/snn-resnet18-paper/sn1/0",
    ),
    budget=12_000,
    seeds=5,
    description="Unit 0 of sn1, as in the paper's figure 5; too few problems for any test.",
)

layers = Suite(
    name="layers",
    version=2,
    problems=_before(
        "cifar10-sngan-int8/snn-resnet18",
        *("sn1/3", "sn1/8", "sn1/25"),
        *("layer1.0.sn1/2", "layer1.0.sn1/13", "layer1.0.sn1/24"),
        *("layer1.0.sn2/22", "layer1.0.sn2/24", "layer1.0.sn2/31"),
        *("layer1.1.sn1/1", "layer1.1.sn1/8", "layer1.1.sn1/17"),
        *("layer1.1.sn2/8", "layer1.1.sn2/9", "layer1.1.sn2/17"),
        *("layer2.0.sn1/26", "layer2.0.sn1/42", "layer2.0.sn1/63"),
        *("layer2.0.sn2/13", "layer2.0.sn2/39", "layer2.0.sn2/59"),
        *("layer2.1.sn1/23", "layer2.1.sn1/25", "layer2.1.sn1/42"),
        *("layer2.1.sn2/20", "layer2.1.sn2/21", "layer2.1.sn2/37"),
        *("layer3.0.sn1/99", "layer3.0.sn1/111", "layer3.0.sn1/112"),
        *("layer3.0.sn2/28", "layer3.0.sn2/114", "layer3.0.sn2/117"),
        *("layer3.1.sn1/13", "layer3.1.sn1/87", "layer3.1.sn1/88"),
        *("layer3.1.sn2/25", "layer3.1.sn2/57", "layer3.1.sn2/120"),
        *("layer4.0.sn1/127", "layer4.0.sn1/172", "layer4.0.sn1/217"),
        *("layer4.0.sn2/103", "layer4.0.sn2/115", "layer4.0.sn2/151"),
        *("layer4.1.sn1/120", "layer4.1.sn1/150", "layer4.1.sn1/220"),
        *("layer4.1.sn2/112", "layer4.1.sn2/123", "layer4.1.sn2/227"),
    ),
    budget=1000,
    seeds=3,
    description="Three units of every spiking layer of the spiking ResNet-18.",
)

ann = Suite(
    name="ann",
    version=2,
    problems=(
        *_before(
            "cifar10-sngan-int8/ann-alexnet",
            *("features.3/2", "features.3/18", "features.10/17", "features.10/22"),
            *("classifier.2/75", "classifier.2/110", "classifier.3/0", "classifier.3/3"),
        ),
        *_before(
            "cifar10-sngan-int8/ann-vgg",
            *("features.3/2", "features.3/18", "features.10/14", "features.10/18"),
            *("features.21/74", "features.21/110", "classifier/0", "classifier/3"),
        ),
        *_before(
            "cifar10-sngan-int8/ann-densenet",
            *("features.relu0/2", "features.relu0/18"),
            *("features.denseblock2.denselayer4.relu1/15", "features.denseblock2.denselayer4.relu1/19"),
            *("features.relu4/80", "features.relu4/119", "classifier/0", "classifier/3"),
        ),
        *_before(
            "cifar10-sngan-int8/ann-resnet",
            *("relu/2", "relu/25", "layer2.1.relu_1/11", "layer2.1.relu_1/14"),
            *("layer4.1.relu_1/149", "layer4.1.relu_1/221", "fc/0", "fc/3"),
        ),
    ),
    budget=1000,
    seeds=3,
    description="Plain networks: two units of the first, the middle and the last rectifier and of the class output.",
)

generators = Suite(
    name="generators",
    version=2,
    problems=(
        *quick.problems,
        *(name.replace("cifar10-sngan-int8", "cifar10-vqvae-int8") for name in quick.problems),
    ),
    budget=1000,
    seeds=3,
    description="The units of quick, driven through the SN-GAN and through the VQ-VAE.",
)

mnist = Suite(
    name="mnist",
    version=2,
    problems=_before(
        "mnist-sngan-int8/mnist-snn",
        *("sn1/10", "sn1/14", "sn1/15"),
        *("sn2/2", "sn2/29", "sn2/30"),
        *("sn3/27", "sn3/37", "sn3/62"),
        *("out/1", "out/6", "out/8"),
    ),
    budget=500,
    seeds=3,
    description="Three units of every spiking layer of the network for digits.",
)

NOISES = (
    "noise=poisson,spikes=100",
    "noise=bernoulli,spikes=100,trials=4",
    "noise=gaussian,sigma=0.1",
    "input=bernoulli",
)
"""One neuron's hundred frames; the mean of four such trials; a tenth of the gap; input noise."""

noisy = Suite(
    name="noisy",
    version=2,
    problems=tuple(f"{problem}[{noise}]" for noise in NOISES for problem in quick.problems[::3]),
    budget=500,
    seeds=5,
    description="The first unit of every layer of quick, under four kinds of noise.",
)

CONDITIONS = (
    "noise=poisson,spikes=20",
    "noise=poisson,spikes=20,drift=0.3",
    "noise=poisson,spikes=20,adaptation=1",
    "noise=poisson,spikes=20,drift=0.3,adaptation=1,burst=2,lost=0.1",
)
"""At most twenty spikes a trial; with drift of the gain; with adaptation; with both, bursts and lost trials."""

lab = Suite(
    name="lab",
    version=2,
    problems=tuple(f"{problem}[{conditions}]" for conditions in CONDITIONS for problem in quick.problems[::3]),
    budget=400,
    seeds=5,
    description="The first unit of every layer of quick, under four recording conditions.",
)

groups = _before("cifar10-sngan-int8/snn-cnn", "sn1/29+32+48", "sn2/8+51+60", "sn3/27+41+85", "out/3+5+9")
"""The units of every layer of quick together."""

full = Suite(
    name="full",
    version=5,
    problems=tuple(
        dict.fromkeys(
            (
                *quick.problems,
                *groups,
                *fig5.problems,
                *layers.problems,
                *ann.problems,
                *noisy.problems,
                *lab.problems,
                *generators.problems,
                *mnist.problems,
            )
        )
    ),
    budget=1000,
    seeds=3,
    description="All suites together, and groups of units.",
)
