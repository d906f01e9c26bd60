"""What an atlas is made of: which units of a network, through which generators."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from amb.catalogue.families import compose, fits
from amb.catalogue.generators import described, generator_names
from amb.catalogue.targets import target as find_target
from amb.contracts.family import Family
from amb.contracts.problem import Problem
from amb.contracts.target import Target, check_unit
from amb.errors import AmbError, PluginError, SpecError
from amb.spec import user_path

SOLVERS = "cma-diagonal,tt-b"
BUDGET = 500
_STATE = re.compile(r".+-([0-9]+)")


@dataclass(frozen=True)
class Request:
    """Units of a network, to be searched through some generators.

    Attributes:
        target: the network.
        generators: names of the generators, in order.
        units: units by layer, in the network's order; ascending.
        states: the same network in the course of its training, oldest first; () if that is not asked for.
    """

    target: Target
    generators: tuple[str, ...]
    units: Mapping[str, tuple[int, ...]]
    states: tuple[Target, ...] = ()

    @property
    def problems(self) -> list[str]:
        """Problem ids, layer by layer: runs that advance together need the same depth of the network."""
        return [name for target in (self.target, *self.states) for name in self._ids(target)]

    @property
    def steps(self) -> list[int]:
        """The steps of the training after which the states were kept.

        Raises:
            PluginError: a state's name does not tell.
        """
        return [_step(state, self.target) for state in self.states]

    @property
    def given(self) -> dict[str, Problem]:
        """The problems of the states, which no name finds."""
        problems: dict[str, Problem] = {}
        for family in self.state_families.values():
            for layer, units in self.units.items():
                for unit in units:
                    problem = family.problem(layer, unit)
                    problems[problem.id] = problem
        return problems

    @property
    def state_families(self) -> dict[str, Family]:
        """The families of the states, by ``<generator>/<target>``."""
        return {
            f"{generator}/{state.name}": compose(generator, state)
            for state in self.states
            for generator in self.generators
        }

    def _ids(self, target: Target) -> list[str]:
        return [
            f"{generator}/{target.name}/{layer}/{unit}"
            for generator in self.generators
            for layer, units in self.units.items()
            for unit in units
        ]


def make_request(
    network: str,
    *,
    generators: Sequence[str] = (),
    layers: Sequence[str] = (),
    units: int | None = None,
    history: bool | Path = False,
) -> Request:
    """The request that the arguments of `amb atlas` mean.

    Args:
        network: a target's name.
        generators: their names; by default the first one, by name, that makes images of the network's size.
        layers: their names, or globs; by default all that can be probed.
        units: how many of each layer, drawn by `drawn`; None: all.
        history: also the network in the course of its training: True for the states that are shipped, or the folder
            into which `amb train --keep` wrote them.

    Raises:
        SpecError: an unknown name, a generator that does not fit, or a network without stored states.
        PluginError: a state has a name that does not end in its step.
        CheckpointError: two stored states are of one step.
    """
    target = find_target(network)
    chosen = list(dict.fromkeys(generators)) or fitting(target)[:1]
    if not chosen:
        raise SpecError(f"no generator makes images of the size that {network} takes; `amb problems list` shows sizes")
    for name in chosen:
        compose(name, target)  # refuses one that does not fit
    asked = _layers(target, layers)
    by_layer = {layer: drawn(target, layer, units) for layer in asked}
    states: Sequence[Target] = ()
    if history:
        folder = None if history is True else user_path(history)
        states = target.states(folder)
        if not states:
            where = "are shipped with it" if folder is None else f"lie in {folder}"
            raise SpecError(
                f"no states of {network} in the course of its training {where}: "
                f"`amb train {network} --keep 8` stores some, and --states FOLDER names the folder"
            )
        for state in states:
            _step(state, target)  # before the runs
    return Request(target, tuple(chosen), by_layer, tuple(states))


def _step(state: Target, target: Target) -> int:
    step = _STATE.fullmatch(state.name)
    if step is None:
        raise PluginError(
            f"target {target.name} has a state {state.name!r}; expected a name that ends in a dash and the number of "
            f"steps, such as {target.name}-step-000290"
        )
    return int(step[1])


def fitting(target: Target) -> list[str]:
    """Names of the generators whose images the target takes, those with data sets of their own first."""
    names = []
    for name in generator_names():
        try:
            generator = described(name)
        except AmbError:
            continue
        if fits(generator, target):
            names.append(name)
    return names


def drawn(target: Target, layer: str, number: int | None) -> tuple[int, ...]:
    """Units of a layer: all, or so many in the order of a hash of network, layer and unit.

    The rule knows no result, and a larger number contains a smaller one's units, so that an atlas can grow. Units that
    respond alike to every natural image, where that is known, come last.

    Raises:
        SpecError: fewer than one unit.
    """
    count = target.layers[layer]
    if number is None or number >= count:
        return tuple(range(count))
    if number < 1:
        raise SpecError(f"expected at least one unit for each layer, got {number}")
    known = target.natural_responses()

    def order(unit: int) -> tuple[bool, str]:
        row = None if known is None else known.row.get((layer, unit))
        dead = known is not None and row is not None and known.dead(row)
        return dead, sha256(f"{target.name}/{layer}/{unit}".encode()).hexdigest()

    return tuple(sorted(sorted(range(count), key=order)[:number]))


def _layers(target: Target, wanted: Sequence[str]) -> list[str]:
    if not wanted:
        return list(target.layers)
    from fnmatch import fnmatchcase

    chosen = []
    for pattern in wanted:
        matching = [layer for layer in target.layers if fnmatchcase(layer, pattern)]
        if not matching:
            check_unit(target.layers, pattern, 0, target.name)
        chosen += matching
    return [layer for layer in target.layers if layer in chosen]
