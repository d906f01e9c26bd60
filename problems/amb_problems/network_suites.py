"""The suite `networks`, for claims about networks in general, and its two halves: development and held out.

Sixteen small spiking networks, two of each kind. Which of the two is held out, and which units are searched, is drawn
by `split` and `unit_layers` with stated seeds, before any solver was run; tests repeat both draws. Nothing may be tuned
on the held-out half: see `docs/guides/protocol.md`.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from amb.contracts.suite import Suite

UNITS_SEED = 5
SPLIT_SEED = 6

CIFAR10 = ("cifar10-sngan-int8", "cifar10-vqvae-int8")
DIGITS = ("mnist-sngan-int8",)
KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "small-max": CIFAR10,
        "small-mean": CIFAR10,
        "small-stride": CIFAR10,
        "small-vgg": CIFAR10,
        "small-resnet": CIFAR10,
        "small-patch": CIFAR10,
        "digits-cnn": DIGITS,
        "digits-mlp": DIGITS,
    }
)
"""The generators by kind of network; the networks of a kind are ``<kind>-a`` and ``<kind>-b``."""

OPTIONS: Mapping[str, str] = MappingProxyType({"cifar10-vqvae-int8": "[codes=principal]"})
"""Options of a generator's problems: an order of the codes, so that every solver can search them."""


def split(kinds: Sequence[str], *, seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The networks for development and the held-out ones: of each kind, a fair coin decides which is held out."""
    coins = np.random.default_rng(seed).integers(2, size=len(kinds)).tolist()
    held_out = tuple(f"{kind}-{'ab'[coin]}" for kind, coin in zip(kinds, coins, strict=True))
    development = tuple(f"{kind}-{'ba'[coin]}" for kind, coin in zip(kinds, coins, strict=True))
    return development, held_out


def unit_layers(layers: Sequence[str]) -> tuple[str, str, str]:
    """The layers from which one unit each is drawn: the first, the middle and the last one."""
    return layers[0], layers[len(layers) // 2], layers[-1]


DEVELOPMENT, HELD_OUT = split(tuple(KINDS), seed=SPLIT_SEED)

UNITS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "small-max-a": ("sn1/10", "sn3/32", "out/0"),
        "small-max-b": ("sn1/1", "sn3/25", "out/7"),
        "small-mean-a": ("sn1/12", "sn3/7", "out/7"),
        "small-mean-b": ("sn1/11", "sn3/28", "out/2"),
        "small-stride-a": ("sn1/11", "sn3/8", "out/0"),
        "small-stride-b": ("sn1/12", "sn3/21", "out/8"),
        "small-vgg-a": ("sn1/0", "sn4/12", "out/9"),
        "small-vgg-b": ("sn1/3", "sn4/16", "out/8"),
        "small-resnet-a": ("sn1/5", "block3.sn2/23", "out/0"),
        "small-resnet-b": ("sn1/14", "block3.sn1/21", "out/8"),
        "small-patch-a": ("sn1/18", "sn3/4", "out/8"),
        "small-patch-b": ("sn1/21", "sn3/28", "out/2"),
        "digits-cnn-a": ("sn1/11", "sn3/28", "out/5"),
        "digits-cnn-b": ("sn1/11", "sn3/7", "out/2"),
        "digits-mlp-a": ("sn1/37", "sn2/49", "out/0"),
        "digits-mlp-b": ("sn1/58", "sn3/19", "out/9"),
    }
)
"""The units of every network, as ``<layer>/<unit>``; all its generators drive the same ones."""


def _problems(networks: Sequence[str]) -> Iterator[str]:
    for network in networks:
        for generator in KINDS[network[:-2]]:
            yield from (f"{generator}/{network}/{unit}{OPTIONS.get(generator, '')}" for unit in UNITS[network])


networks = Suite(
    name="networks",
    version=2,
    problems=tuple(_problems(tuple(UNITS))),
    budget=200,
    seeds=5,
    description="Sixteen small spiking networks of eight kinds, three units each: for claims about networks.",
)

development = Suite(
    name="networks-development",
    version=2,
    problems=tuple(_problems(DEVELOPMENT)),
    budget=200,
    seeds=5,
    description="The half of networks on which solvers may be tuned: one of each kind.",
)

held_out = Suite(
    name="networks-held-out",
    version=2,
    problems=tuple(_problems(HELD_OUT)),
    budget=200,
    seeds=5,
    description="The other half of networks, on which nothing may be tuned: one of each kind.",
)
