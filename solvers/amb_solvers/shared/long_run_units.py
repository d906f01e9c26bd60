"""Units for long runs of black boxes, drawn by rule: some for tuning, others to confirm the choice.

They belong to the networks of `networks-development`, the two larger spiking networks and the one for digits; none is
held out. No suite and no earlier list for tuning contains them.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from amb.catalogue.problems import expand
from amb.catalogue.targets import described
from amb.spec import ProblemId
from amb_solvers.shared.tuning_units import (
    DEVELOPMENT_SUITE,
    LARGER,
    ORDERED,
    generators_for,
    tuning_units,
    unit_of,
    units_in_suites,
)

SEED = 33
EARLIER: Mapping[str, tuple[str, ...]] = {
    "small-max-b": (
        "sn3/0",
        "out/9",
    ),
    "small-mean-a": (
        "sn3/23",
        "out/6",
    ),
    "small-stride-a": (
        "sn3/31",
        "out/7",
    ),
    "small-vgg-b": (
        "sn4/30",
        "out/3",
    ),
    "small-resnet-a": (
        "block3.sn2/14",
        "out/4",
    ),
    "small-patch-b": (
        "sn3/18",
        "out/9",
    ),
    "digits-cnn-a": (
        "sn3/19",
        "out/6",
    ),
    "digits-mlp-b": (
        "sn3/16",
        "out/4",
    ),
    "snn-cnn": (
        "sn1/46",
        "sn2/23",
        "sn2/58",
        "sn3/86",
        "sn3/82",
        "out/7",
        "sn2/22",
        "out/2",
        "sn2/48",
    ),
    "snn-resnet18": (
        "layer1.0.sn2/10",
        "layer2.0.sn1/14",
        "layer2.1.sn1/56",
        "layer3.0.sn2/59",
        "layer3.1.sn2/91",
        "layer4.1.sn1/21",
        "sn1/12",
        "layer1.0.sn1/27",
        "layer1.0.sn2/30",
        "layer4.1.sn2/81",
    ),
    "mnist-snn": (
        "out/0",
        "sn2/3",
    ),
}
"""Units on which black boxes were developed or tried before, as ``<layer>/<unit>``."""
SOLVED = (
    "digits-cnn-a/sn3/14",
    "digits-mlp-b/sn2/45",
    "digits-mlp-b/sn1/60",
    "digits-mlp-b/sn2/62",
    "digits-mlp-b/sn3/26",
    "digits-mlp-b/sn1/20",
    "digits-mlp-b/sn2/30",
)
"""Drawn units that are left out, because one of 200 draws of the prior (seed 0) reaches 1.0, the highest value.

A unit whose 200 draws all have the same value would be left out as well; there is none among those drawn.
"""
TUNING, CONFIRMATION = 2, 3
"""Units of every network, in the order of `candidates`."""
ROUNDS = 3
"""Units of every layer that are drawn, as far as there are so many."""


def long_run_units() -> tuple[list[str], list[str]]:
    """Problem ids for tuning and for confirmation."""
    order = {
        network: [problem for problem in problems if unit_of(problem) not in SOLVED]
        for network, problems in candidates().items()
    }
    return (
        [problem for problems in order.values() for problem in problems[:TUNING]],
        [problem for problems in order.values() for problem in problems[TUNING : TUNING + CONFIRMATION]],
    )


def candidates() -> dict[str, list[str]]:
    """The problem ids of every network in the order in which they are taken.

    One unit of every layer comes after another, the layers in an order of their own for every network, and each unit
    has a generator drawn for it.
    """
    networks = dict.fromkeys([ProblemId.parse(problem).target for problem in expand(DEVELOPMENT_SUITE)])
    taken = {*_alone(units_in_suites())}
    taken |= {unit_of(problem) for part in tuning_units() for problem in part}
    taken |= {f"{network}/{unit}" for network, units in EARLIER.items() for unit in units}
    rng = np.random.default_rng(SEED)
    return {network: _in_order(network, taken, rng) for network in (*networks, *LARGER)}


def _in_order(network: str, taken: set[str], rng: np.random.Generator) -> list[str]:
    layers = described(network).layers
    generators = generators_for(network)
    names = [str(name) for name in rng.permutation(list(layers))]
    drawn = {name: rng.permutation(layers[name]).tolist() for name in names}
    free = {name: [u for u in drawn[name] if f"{network}/{name}/{u}" not in taken][:ROUNDS] for name in names}
    order = [f"{name}/{free[name][turn]}" for turn in range(ROUNDS) for name in names if turn < len(free[name])]
    chosen = [generators[number] for number in rng.integers(len(generators), size=len(order))]
    return [f"{g}/{network}/{unit}{ORDERED.get(g, '')}" for g, unit in zip(chosen, order, strict=True)]


def _alone(units: Iterable[str]) -> Iterator[str]:
    """``<target>/<layer>/<unit>``, also of units that a suite has in a group."""
    for unit in units:
        layer, numbers = unit.rsplit("/", 1)
        yield from (f"{layer}/{number}" for number in numbers.split("+"))
