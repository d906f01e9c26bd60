"""The suites: named, versioned sets of problems.

Units are drawn, not chosen: `draw` says how, and the tests hold every suite to it.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from amb.contracts.family import Suite


def draw(units: Mapping[str, int], each: int, *, seed: int, dead: Mapping[str, Sequence[int]]) -> list[str]:
    """The units of a suite: `each` from every layer, without replacement, as ``<layer>/<unit>``.

    Args:
        units: number of units of every layer, in the order of the network.
        each: units drawn from a layer.
        seed: of one generator that draws for all layers in turn.
        dead: units that were never active for any reference image; they are left out before drawing.
    """
    rng = np.random.default_rng(seed)
    drawn = []
    for layer, number in units.items():
        alive = np.setdiff1d(np.arange(number), dead.get(layer, ()))
        drawn += [f"{layer}/{unit}" for unit in sorted(rng.choice(alive, each, replace=False).tolist())]
    return drawn


QUICK_SEED = 1

quick = Suite(
    name="quick",
    version=1,
    problems=tuple(
        f"cifar10-sngan/snn-cnn/{unit}"
        for unit in (
            *("sn1/29", "sn1/32", "sn1/48"),
            *("sn2/8", "sn2/51", "sn2/60"),
            *("sn3/27", "sn3/41", "sn3/85"),
            *("out/3", "out/5", "out/9"),
        )
    ),
    budget=500,
    seeds=2,
    description="Three units of every spiking layer of the convolutional network: minutes on two cores.",
)
