"""The units on which solvers are tuned, and those on which the choice is validated: drawn by rule, in no suite.

The networks are those of `networks-development`, the two larger spiking networks and the one for digits; none is held
out. Of each network's first, middle and last layer two units are drawn that no suite contains, and a generator for
each: the first is for development, the second for validation.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from amb.catalogue.problems import expand
from amb.catalogue.suites import suite
from amb.catalogue.targets import described
from amb.spec import ProblemId, Spec

SEED = 18
LARGER = ("snn-cnn", "snn-resnet18", "mnist-snn")
DEVELOPMENT_SUITE = "networks-development"
SUITES = ("full", "networks")
"""All units of all shipped suites."""
COLOUR = ("cifar10-sngan-int8", "cifar10-vqvae-int8")
DIGITS = ("mnist-sngan-int8",)
"""The generators that make images of three channels, and of one."""
ORDERED = {"cifar10-vqvae-int8": "[codes=principal]"}
"""An order of the codes, so that every solver can search them."""


def tuning_units() -> tuple[list[str], list[str]]:
    """Problem ids for development and for validation, one of each for every layer."""
    known = [ProblemId.parse(problem) for problem in expand(DEVELOPMENT_SUITE)]
    networks = [*dict.fromkeys(part.target for part in known), *LARGER]
    taken = units_in_suites()
    rng = np.random.default_rng(SEED)
    drawn: tuple[list[str], list[str]] = ([], [])
    for network in networks:
        generators = generators_in(network, known)
        for layer, free in free_units(network, taken):
            units = rng.permutation(free)[: len(drawn)]
            chosen = [generators[number] for number in rng.integers(len(generators), size=len(drawn))]
            for part, unit, generator in zip(drawn, units, chosen, strict=True):
                part.append(f"{generator}/{network}/{layer}/{unit}{ORDERED.get(generator, '')}")
    return drawn


def units_in_suites() -> set[str]:
    """All units of all shipped suites, as `unit_of` names them."""
    return {unit_of(problem) for name in SUITES for problem in suite(name).problems}


def free_units(network: str, taken: set[str]) -> Iterator[tuple[str, list[int]]]:
    """The first, the middle and the last layer of a network, each with its units that are not taken."""
    layers = described(network).layers
    names = list(layers)
    for layer in (names[0], names[len(names) // 2], names[-1]):
        yield layer, [unit for unit in range(layers[layer]) if f"{network}/{layer}/{unit}" not in taken]


def generators_in(network: str, known: Sequence[ProblemId]) -> Sequence[str]:
    """The generators of the network in a suite; of another one, those that make images of its size."""
    own = list(dict.fromkeys(part.generator for part in known if part.target == network))
    return own or generators_for(network)


def generators_for(network: str) -> tuple[str, ...]:
    """The generators that make images of the network's size."""
    return DIGITS if described(network).shape[2] == 1 else COLOUR


def unit_of(problem: str) -> str:
    """``<target>/<layer>/<unit>``, whatever the generator."""
    part = ProblemId.parse(str(Spec.parse(problem).name))
    return f"{part.target}/{part.layer}/{part.unit}"
