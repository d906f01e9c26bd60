import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from amb.catalogue.problems import expand, family, problem
from amb.catalogue.reference_points import of_suite
from amb.catalogue.suites import suite, suite_names
from amb.errors import SpecError
from amb.references.lookup import stale
from amb.spec import ProblemId, without_noise
from amb_problems import checkpoint
from amb_problems.cards import SpikingTargetCard
from amb_problems.network_suites import KINDS, SPLIT_SEED, UNITS, UNITS_SEED, split, unit_layers
from amb_problems.suites import ANN_SEED, DEAD, LAYERS_SEED, MNIST_SEED, QUICK_SEED, draw

PROBLEMS_PAGE = Path(__file__).parents[2] / "docs" / "guides" / "problems.md"


def test_units_of_quick_are_drawn_by_the_stated_rule() -> None:
    """Nobody has picked units by hand: the rule and the seed give the list. No unit of the network is dead."""
    drawn = draw(family("cifar10-sngan-int8/snn-cnn").layers(), 3, seed=QUICK_SEED, dead={})
    assert list(suite("quick").problems) == [f"cifar10-sngan-int8/snn-cnn/{unit}" for unit in drawn]


def test_units_of_layers_are_drawn_by_the_stated_rule() -> None:
    units = {
        layer: number for layer, number in family("cifar10-sngan-int8/snn-resnet18").layers().items() if layer != "fc"
    }
    assert len(units) == 17
    drawn = draw(units, 3, seed=LAYERS_SEED, dead={})
    assert list(suite("layers").problems) == [f"cifar10-sngan-int8/snn-resnet18/{unit}" for unit in drawn]


def test_units_of_mnist_are_drawn_by_the_stated_rule() -> None:
    drawn = draw(family("mnist-sngan-int8/mnist-snn").layers(), 3, seed=MNIST_SEED, dead=DEAD.get("mnist-snn", {}))
    assert list(suite("mnist").problems) == [f"mnist-sngan-int8/mnist-snn/{unit}" for unit in drawn]


def test_generators_drive_the_same_units() -> None:
    halves = [[p.split("/", 1) for p in suite("generators").problems][part] for part in (slice(12), slice(12, 24))]
    assert [unit for _, unit in halves[0]] == [unit for _, unit in halves[1]]
    assert {name for name, _ in halves[1]} == {"cifar10-vqvae-int8"}


def test_units_of_ann_are_drawn_by_the_stated_rule() -> None:
    """From the first, the middle and the last rectifier and the class output of every network."""
    expected = []
    for name, (rectifiers, output) in RECTIFIERS.items():
        units = family(f"cifar10-sngan-int8/{name}").layers()
        found = [layer for layer in units if re.fullmatch(rectifiers, layer)]
        chosen = (found[0], found[(len(found) - 1) // 2], found[-1], output)
        drawn = draw({layer: units[layer] for layer in chosen}, 2, seed=ANN_SEED, dead=DEAD.get(name, {}))
        expected += [f"cifar10-sngan-int8/{name}/{unit}" for unit in drawn]
    assert list(suite("ann").problems) == expected


RECTIFIERS = {
    "ann-alexnet": (r"features\.(3|7|10|13|17)|classifier\.2", "classifier.3"),
    "ann-vgg": (r"features\.(3|7|10|14|17|21)", "classifier"),
    "ann-densenet": (r".*relu\d?", "classifier"),
    "ann-resnet": (r"(.*\.)?relu(_1)?", "fc"),
}


def test_full_holds_every_other_suite_but_those_of_networks() -> None:
    """Half of the networks is held out, and `full` is a suite that solvers may be tuned on."""
    everything = set(suite("full").problems)
    for name in suite_names():
        problems = set(suite(name).problems)
        assert problems.isdisjoint(everything) if name.startswith("networks") else problems <= everything, name


def test_units_of_networks_are_drawn_by_the_stated_rule() -> None:
    """One unit of the first, the middle and the last layer of every network, the same for all its generators."""
    assert list(UNITS) == [f"{kind}-{letter}" for kind in KINDS for letter in "ab"]
    for place, (network, units) in enumerate(UNITS.items()):
        for generator in KINDS[network[:-2]]:
            layers = family(f"{generator}/{network}").layers()
            chosen = {layer: layers[layer] for layer in unit_layers(list(layers))}
            assert list(units) == draw(chosen, 1, seed=(UNITS_SEED, place), dead=DEAD.get(network, {}))


def test_half_of_the_networks_is_held_out_by_the_stated_rule() -> None:
    """One of each kind, by a coin; the halves share no network and are all of the suite."""
    development, held_out = split(list(KINDS), seed=SPLIT_SEED)
    assert [name[:-2] for name in development] == [name[:-2] for name in held_out] == list(KINDS)
    halves = {}
    for name, networks in (("development", development), ("held-out", held_out)):
        halves[name] = suite(f"networks-{name}").problems
        assert {ProblemId.parse(problem_id).target for problem_id in halves[name]} == set(networks)
    assert sorted([*halves["development"], *halves["held-out"]]) == sorted(suite("networks").problems)


def test_networks_differ_in_every_way_that_the_suite_promises() -> None:
    """At least twelve spiking networks, below 100 kB each, no two with the same layers and neuron, two generators."""
    cards = [checkpoint.read_card(name, SpikingTargetCard) for name in UNITS]
    assert len({(str(card.arguments), card.lif, card.frames) for card in cards}) == len(cards) >= 12
    assert len({card.training["seed"] for card in cards}) == len(cards)
    assert len({card.lif for card in cards}) >= 6
    assert len({card.frames for card in cards}) >= 6
    assert {card.lif.reset for card in cards} == {"zero", "subtract"}
    generators = {ProblemId.parse(problem_id).generator for problem_id in suite("networks-held-out").problems}
    assert generators == {"cifar10-sngan-int8", "cifar10-vqvae-int8", "mnist-sngan-int8"}
    for name in UNITS:
        file = resources.files("amb_problems") / "checkpoints" / f"{name}.safetensors"
        assert len(file.read_bytes()) < 100_000, name


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in ("quick", "fig5") else pytest.mark.slow) for n in suite_names()]
)
def test_every_problem_of_a_suite_can_be_evaluated(name: str) -> None:
    for problem_id in suite(name).problems:
        made = problem(problem_id)
        values = made.evaluate(made.space.sample_prior(2, np.random.default_rng(0)))
        assert made.id == problem_id
        assert values.shape == (2,)
        if made.spikes and not (made.noise and made.noise.kind != "bernoulli"):
            assert ((values >= 0) & (values <= 1)).all()


@pytest.mark.parametrize("name", suite_names())
def test_no_suite_holds_a_dead_unit_or_stale_reference_points(name: str) -> None:
    stored = of_suite(name)
    assert stored is not None
    assert stored.suite == f"{name}-{suite(name).version}"
    assert list(stored.points) == list(dict.fromkeys(without_noise(problem_id) for problem_id in suite(name).problems))
    assert not set(stored.dead) & set(stored.points)
    assert stale(name) == []
    for point in stored.points.values():
        assert point.chance <= point.chance_q99 <= point.best
        assert point.best > point.chance


def test_quick_holds_problems_of_every_difficulty() -> None:
    """Smooth units that answer to almost everything, and needles that are silent for most images."""
    rng, silent = np.random.default_rng(0), []
    for problem_id in suite("quick").problems:
        made = problem(problem_id)
        silent.append((made.evaluate(made.space.sample_prior(48, rng)) == 0).mean())
    assert min(silent) == 0
    assert 0.5 < max(silent) < 1


def test_a_suite_can_be_asked_for_in_its_version_only() -> None:
    assert suite("quick-2") == suite("quick")
    with pytest.raises(SpecError, match="version 2, not 7"):
        suite("quick-7")
    with pytest.raises(SpecError, match="unknown suite"):
        suite(f"quick-{'9' * 5000}")


def test_suites_expand_and_ids_are_problems() -> None:
    assert expand("quick") == list(suite("quick").problems)
    assert (
        expand("cifar10-sngan-int8/snn-cnn/out/0..2[grid=quantile]")[2]
        == "cifar10-sngan-int8/snn-cnn/out/2[grid=quantile]"
    )


@pytest.mark.parametrize("name", UNITS)
def test_the_table_of_networks_says_what_the_cards_say(name: str) -> None:
    """Layers, frames, accuracy and half of each small network in docs/guides/problems.md."""
    card = checkpoint.read_card(name, SpikingTargetCard)
    (row,) = [line for line in PROBLEMS_PAGE.read_text().splitlines() if line.startswith(f"| `{name}` |")]
    layers, neuron, frames, accuracy, half = (cell.strip() for cell in row.split("|")[2:-1])
    assert layers == f"`{card.arguments['layers']}`"
    assert neuron.startswith("IF" if card.lif.decay == 1 else f"LIF {card.lif.decay:g}")
    assert ("subtracts" in neuron) == (card.lif.reset == "subtract")
    assert ("above" in neuron) == card.lif.strict
    assert frames == str(card.frames)
    assert accuracy == f"{card.metrics['test accuracy']:.1%}"
    assert half == ("held out" if name in split(list(KINDS), seed=SPLIT_SEED)[1] else "development")


@pytest.mark.parametrize("name", suite_names())
def test_the_table_of_suites_says_what_the_suites_hold(name: str) -> None:
    """Version, size, budget, seeds and medians of the reference points of each suite in docs/guides/problems.md."""
    chosen, stored = suite(name), of_suite(name)
    assert stored is not None
    points = [stored.points[without_noise(problem_id)] for problem_id in chosen.problems]
    natural = [point.natural for point in points if point.natural is not None]
    medians = (np.median(values) for values in ([p.chance for p in points], natural, [p.best for p in points]))
    (row,) = [
        line for line in PROBLEMS_PAGE.read_text().splitlines() if line.startswith(f"| `{name}-{chosen.version}` |")
    ]
    problems, _, budget, *rest = (cell.strip() for cell in row.split("|")[2:-1])
    assert (problems, budget, rest[0]) == (str(len(chosen.problems)), f"{chosen.budget:,}", str(chosen.seeds))
    assert rest[1:] == [f"{median:.3f}" for median in medians]
