import re

import numpy as np
import pytest

from amb.catalogue.problems import expand, family, problem
from amb.catalogue.reference_points import of_suite
from amb.catalogue.suites import suite, suite_names
from amb.errors import SpecError
from amb.references.lookup import stale
from amb.spec import without_noise
from amb_problems.suites import ANN_SEED, DEAD, LAYERS_SEED, MNIST_SEED, QUICK_SEED, draw


def test_units_of_quick_are_drawn_by_the_stated_rule() -> None:
    """Nobody has picked units by hand: the rule and the seed give the list. No unit of the network is dead."""
    drawn = draw(family("cifar10-sngan/snn-cnn").layers(), 3, seed=QUICK_SEED, dead={})
    assert list(suite("quick").problems) == [f"cifar10-sngan/snn-cnn/{unit}" for unit in drawn]


def test_units_of_layers_are_drawn_by_the_stated_rule() -> None:
    units = {layer: number for layer, number in family("cifar10-sngan/snn-resnet18").layers().items() if layer != "fc"}
    assert len(units) == 17
    drawn = draw(units, 3, seed=LAYERS_SEED, dead={})
    assert list(suite("layers").problems) == [f"cifar10-sngan/snn-resnet18/{unit}" for unit in drawn]


def test_units_of_mnist_are_drawn_by_the_stated_rule() -> None:
    drawn = draw(family("mnist-sngan/mnist-snn").layers(), 3, seed=MNIST_SEED, dead=DEAD.get("mnist-snn", {}))
    assert list(suite("mnist").problems) == [f"mnist-sngan/mnist-snn/{unit}" for unit in drawn]


def test_generators_drive_the_same_units() -> None:
    halves = [[p.split("/", 1) for p in suite("generators").problems][part] for part in (slice(12), slice(12, 24))]
    assert [unit for _, unit in halves[0]] == [unit for _, unit in halves[1]]
    assert {name for name, _ in halves[1]} == {"cifar10-vqvae"}


def test_units_of_ann_are_drawn_by_the_stated_rule() -> None:
    """From the first, the middle and the last rectifier and the class output of every network."""
    expected = []
    for name, (rectifiers, output) in RECTIFIERS.items():
        units = family(f"cifar10-sngan/{name}").layers()
        found = [layer for layer in units if re.fullmatch(rectifiers, layer)]
        chosen = (found[0], found[(len(found) - 1) // 2], found[-1], output)
        drawn = draw({layer: units[layer] for layer in chosen}, 2, seed=ANN_SEED, dead=DEAD.get(name, {}))
        expected += [f"cifar10-sngan/{name}/{unit}" for unit in drawn]
    assert list(suite("ann").problems) == expected


RECTIFIERS = {
    "ann-alexnet": (r"features\.(3|7|10|13|17)|classifier\.2", "classifier.3"),
    "ann-vgg": (r"features\.(3|7|10|14|17|21)", "classifier"),
    "ann-densenet": (r".*relu\d?", "classifier"),
    "ann-resnet": (r"(.*\.)?relu(_1)?", "fc"),
}


def test_full_holds_every_other_suite() -> None:
    everything = set(suite("full").problems)
    assert all(set(suite(name).problems) <= everything for name in suite_names())


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
    assert suite("quick-1") == suite("quick")
    with pytest.raises(SpecError, match="version 1, not 7"):
        suite("quick-7")


def test_suites_expand_and_ids_are_problems() -> None:
    assert expand("quick") == list(suite("quick").problems)
    assert expand("cifar10-sngan/snn-cnn/out/0..2[grid=quantile]")[2] == "cifar10-sngan/snn-cnn/out/2[grid=quantile]"
