"""One family of any generator and any target that fit, no matter who wrote them or how the problem is named."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import amb
from amb.catalogue import generators, targets
from amb.catalogue import plugins as plugin_module
from amb.catalogue.families import fits
from amb.catalogue.plugins import Plugin, load_file, plugins
from amb.catalogue.problems import expand, family, family_names
from amb.errors import CheckpointError, PluginError, SpecError
from amb.spec import Spec
from amb_problems import checkpoint
from amb_problems.abilities import (
    CountsSpikes,
    DeviceGenerator,
    DeviceTarget,
    DifferentiableGenerator,
    DifferentiableTarget,
    ManyUnits,
    SeesFrames,
)
from amb_problems.families import NetworkFamily
from amb_problems.network_suites import UNITS
from amb_problems.targets.plain.target import PlainTarget
from amb_problems.targets.shipped import load
from amb_problems.targets.spiking.exact_network import ExactNetwork
from amb_problems.targets.spiking.target import SpikingTarget

pytestmark = pytest.mark.usefixtures("one_thread")

RETINA = Path(__file__).parents[1] / "plugins" / "retina.py"
GENERATORS = ("toy", "cifar10-sngan", "cifar10-vqvae", "mnist-sngan")
TARGETS = tuple(name for name in targets.target_names() if name in checkpoint.shipped())
PAIRS = [
    f"{generator}/{target}"
    for generator in GENERATORS
    for target in TARGETS
    if fits(generators.described(generator), targets.described(target))
]
GRIDS = {"cifar10-vqvae": {"codes": "principal"}}


def both_ways(pair: str, layer: str, unit: int, **options: object) -> list[amb.Problem]:
    """A problem by its spec, and by its target; options are the spec's."""
    generator, target = pair.split("/")
    spec = str(Spec(f"{pair}/{layer}/{unit}", tuple(sorted(options.items()))))  # type: ignore[arg-type]
    return [amb.problem(spec), amb.target(target, layer=layer).problem(generator, unit, **options)]


@pytest.fixture(scope="module")
def retina() -> str:
    load_file(RETINA)
    return "retina"


def test_every_generator_goes_with_every_target_of_its_size() -> None:
    assert len(PAIRS) == 62
    assert set(PAIRS) <= set(family_names())
    assert "network" in plugins("families")
    assert all(isinstance(family(pair), NetworkFamily) for pair in PAIRS)


@pytest.mark.parametrize("pair", PAIRS)
def test_both_ways_of_naming_a_problem_give_the_same_problem(pair: str) -> None:
    """Id, fingerprint, card, group, space and values; of the first and the last layer, on two grids."""
    layers = list(family(pair).layers())
    grid = GRIDS.get(pair.split("/")[0], {"grid": "quantile"})
    for layer, options in ((layers[0], {}), (layers[-1], grid)):
        named, made = both_ways(pair, layer, 1, **options)
        assert named.id == made.id
        assert named.fingerprint == made.fingerprint
        assert named.group == made.group
        assert named.spikes == made.spikes
        assert dict(named.facts()) == dict(made.facts())
        candidates = named.space.sample_prior(2, np.random.default_rng(0))
        assert np.array_equal(made.space.levels, named.space.levels)
        assert np.array_equal(named.evaluate(candidates), made.evaluate(candidates))


@pytest.mark.parametrize(
    "options",
    [
        {"input": "bernoulli"},
        {"input": "gaussian", "deviation": 8.0},
        {"noise": "poisson", "spikes": 100},
        {"noise": "bernoulli", "trials": 2, "input": "bernoulli", "grid": "quantile"},
    ],
)
def test_noise_means_the_same_both_ways(options: dict[str, object]) -> None:
    """Of the measurement and of the input; a query sees the same draw."""
    named, made = both_ways("cifar10-sngan/snn-cnn", "sn1", 3, **options)
    assert named.id == made.id
    assert named.fingerprint == made.fingerprint
    assert named.noise == made.noise
    candidates = named.space.sample_prior(2, np.random.default_rng(0))
    assert np.array_equal(named.evaluate(candidates), made.evaluate(candidates))


@pytest.mark.parametrize("options", [{"gird": "even"}, {"input": "pink"}, {"trials": 2}, {"grid": "odd"}])
def test_a_wrong_option_is_refused_the_same_both_ways(options: dict[str, object]) -> None:
    generator, target = "cifar10-sngan", "snn-cnn"
    spec = str(Spec(f"{generator}/{target}/sn1/3", tuple(options.items())))  # type: ignore[arg-type]
    with pytest.raises(SpecError) as named:
        amb.problem(spec)
    with pytest.raises(SpecError) as made:
        amb.target(target).problem(generator, 3, layer="sn1", **options)
    assert str(named.value) == str(made.value)


@pytest.mark.parametrize("name", TARGETS)
def test_a_shipped_target_is_described_by_its_card_and_hides_no_ability(name: str) -> None:
    """What it is known to be before its network is loaded is what the network is."""
    target = load(name)
    assert isinstance(target, amb.Target)
    abilities = (ManyUnits, DeviceTarget, DifferentiableTarget)
    assert all(isinstance(target, ability) for ability in abilities)
    assert target.activation
    assert {"network", "data", "accuracy", "arithmetic"} <= set(target.facts())
    if isinstance(target, SpikingTarget):
        exact = ExactNetwork.load(name)
        assert isinstance(target, CountsSpikes)
        assert isinstance(target, SeesFrames)
        assert (target.shape, target.frames) == (exact.shape, exact.frames)
        assert target.spikes == {layer: exact.frames * info.positions for layer, info in exact.layers.items()}
        assert set(target.layers) == {*exact.layers, *exact.scales}
        assert "exact" in str(target.facts()["arithmetic"])
    else:
        assert isinstance(target, PlainTarget)
        assert not isinstance(target, CountsSpikes | SeesFrames)
        responses = target.responses
        assert responses.source.shape == target.shape
        assert {layer: responses.layers[layer] for layer in target.scales} == {
            layer: units for layer, units in target.layers.items() if layer != "prob"
        }
        assert "floating point" in str(target.facts()["arithmetic"])


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_is_described_before_it_is_loaded(name: str) -> None:
    generator = generators.described(name)
    images = generator.images(np.zeros((1, generator.latent_dim), np.float32))
    assert images.shape == (1, *generator.shape)
    if name != "toy":
        assert isinstance(generator, DeviceGenerator)
        assert isinstance(generator, DifferentiableGenerator) == name.endswith("sngan")


def test_a_third_partys_target_composes_with_every_generator(retina: str) -> None:
    """It implements the contract and nothing else: units, groups, facts, globs, images from anywhere, no gradients."""
    made = amb.problem(f"toy/{retina}/rods/7")
    candidates = made.space.sample_prior(3, np.random.default_rng(0))
    images = made.images(candidates)
    assert np.array_equal(made.evaluate(candidates), images[:, 7].mean((1, 2)) / 255)
    group = amb.problem(f"toy/{retina}/cones/0+2")
    assert np.allclose(group.evaluate(candidates), images[..., [0, 2]].mean((1, 2, 3)) / 255)
    assert np.array_equal(type(made).respond_together([made, group], images)[:, 0], made.evaluate(candidates))
    assert expand(f"*-sngan/{retina}/cones/*") == [f"cifar10-sngan/{retina}/cones/{unit}" for unit in range(3)]
    assert made.facts()["checkpoints"] == "toy-1, retina-1"
    assert both_ways(f"cifar10-sngan/{retina}", "cones", 1)[1].id == f"cifar10-sngan/{retina}/cones/1"
    with pytest.raises(SpecError, match="toy is not differentiable"):
        made.gradient(np.zeros((0, 16)))
    with pytest.raises(SpecError, match="does not take single frames"):
        amb.problem(f"toy/{retina}/rods/7[input=bernoulli]")


def test_a_users_own_objects_are_not_changed(retina: str) -> None:
    """`amb.target` returns a copy that knows generators; the object itself says how to get one."""
    own = type(targets.described(retina))()
    handed = amb.target(own, layer="cones")
    assert handed.problem("toy", 1).id == "toy/retina/cones/1"
    assert vars(own) == {}
    with pytest.raises(SpecError, match=r"use amb\.target"):
        own.family("toy")


def test_a_contract_left_incomplete_is_named() -> None:
    class Bare(amb.Target):
        name, layers = "bare", {"a": 1}  # type: ignore[assignment]

        def activations(self, images: np.ndarray, units: Sequence[tuple[str, int]]) -> np.ndarray:
            return np.zeros(len(images))

    class Flat(amb.Generator):
        name, latent_dim, fingerprint = "flat", 2, "1"

        def _render(self, latents: np.ndarray) -> np.ndarray:
            return np.zeros((len(latents), 4, 4, 3), np.uint8)

    with pytest.raises(PluginError, match="Bare does not set shape, fingerprint"):
        amb.target(Bare())
    with pytest.raises(PluginError, match="Flat does not set shape"):
        amb.target("snn-cnn").family(Flat())
    Flat.shape = (8, 8, 3)
    with pytest.raises(PluginError, match=r"flat returned uint8 \[16, 4, 4, 3\]; expected .* \[16, 8, 8, 3\]"):
        Flat().images(np.zeros((1, 2)))


def test_a_target_is_not_a_module_by_name() -> None:
    """`module` makes targets from a user's modules; it is not itself a target."""
    assert "module" not in targets.target_names()
    assert not [name for name in family_names() if name.endswith("/module")]
    for ask in (lambda: amb.target("module"), lambda: expand("toy/module/a/0")):
        with pytest.raises(SpecError, match="unknown target 'module'"):
            ask()


def test_globs_cover_every_pair_that_fits() -> None:
    # Other tests may have registered generators of their own.
    shipped = [f"{name}/snn-cnn/sn1/3" for name in ("cifar10-sngan", "cifar10-vqvae", "toy")]
    assert [name for name in expand("*/snn-cnn/sn1/3") if name in shipped] == shipped
    found = {name.split("/")[1] for name in expand("cifar10-sngan/*/sn1/0..7")}
    assert found == {"snn-cnn", "snn-resnet18", "snn-resnet18-paper", *(name for name in UNITS if "small" in name)}
    digits = ["mnist-sngan/mnist-snn/out/0", "mnist-sngan-int8/mnist-snn/out/0"]
    assert sorted(expand("*/mnist-*/out/0")) == sorted(digits)
    assert expand("*n/mnist-snn/out/0[grid=quantile]") == ["mnist-sngan/mnist-snn/out/0[grid=quantile]"]


@pytest.mark.parametrize("pattern", ["*/snn-cnn/sn1/3", "*/*/*/0", "cifar10-sngan/ann-vgg/features.0/0..3"])
def test_expanding_a_glob_reads_cards_only(pattern: str) -> None:
    """No torch, no compiler and no tensors; so a list of thousands of problems takes a moment."""
    code = (
        "import sys; from amb.catalogue.problems import expand; from amb_problems import checkpoint\n"
        "def load(*_): raise AssertionError('tensors were read')\n"
        f"checkpoint.load = load; assert expand({pattern!r})\n"
        "print([m for m in ('torch', 'numba', 'pandas', 'scipy') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_broken_plugin_spoils_no_glob(monkeypatch: pytest.MonkeyPatch) -> None:
    """A glob passes over it; asked for by name, it says what is wrong."""
    described = targets.described

    def fails(name: str) -> amb.Target:
        if name == "ann-vgg":
            raise CheckpointError("the disk has a scratch")
        return described(name)

    monkeypatch.setattr(targets, "described", fails)
    assert "toy/snn-cnn/sn1/0" in expand("toy/*/sn1/0")
    with pytest.raises(CheckpointError, match="scratch"):
        expand("t*/ann-vgg/features.0/0")
    with pytest.raises(CheckpointError, match="scratch"):
        family.__wrapped__("toy/ann-vgg")


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Adds an entry point of `amb.targets`, as a distribution would."""

    def add(name: str, loaded: object) -> None:
        plugin = Plugin("targets", name, "somebody:attribute", "somebody 1.0", _object=loaded)
        known = {**plugin_module._from_files["targets"], name: plugin}
        monkeypatch.setitem(plugin_module._from_files, "targets", known)

    return add


def test_a_package_registers_a_module_as_a_target(register) -> None:  # type: ignore[no-untyped-def]
    """What `amb.target` returns is an entry point's object; every generator of its image size composes with it."""
    made: list[int] = []

    def make() -> torch.nn.Module:
        made.append(1)
        return torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5), torch.nn.ReLU())

    register("filters", amb.target(make, name="filters"))
    assert "filters" in targets.target_names()
    assert not made
    problem = amb.problem("toy/filters/1/3")
    candidates = problem.space.sample_prior(2, np.random.default_rng(0))
    assert problem.evaluate(candidates).shape == (2,)
    assert expand("toy/filters/1/0..1") == ["toy/filters/1/0", "toy/filters/1/1"]
    assert made == [1]
    register("other", amb.target(make, name="filters"))
    with pytest.raises(PluginError, match="has the attribute name = 'filters'"):
        amb.target("other")


def test_a_new_spiking_target_needs_a_checkpoint_and_an_entry_point(  # type: ignore[no-untyped-def]
    register, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an existing architecture: no class, no family, no list to extend; its recipe is a third thing."""
    shipped = Path(checkpoint.__file__).parent / "checkpoints"
    for suffix in (".safetensors", ".card.json"):
        shutil.copy(shipped / f"mnist-snn{suffix}", tmp_path / f"snn-new{suffix}")
        shutil.copy(shipped / f"mnist-sngan{suffix}", tmp_path)
    old = amb.problem("mnist-sngan/mnist-snn/out/3")
    old.warm_up()  # its checkpoint is not in the other folder
    monkeypatch.setattr(checkpoint, "_package_folder", lambda: tmp_path)
    register("snn-new", load)
    new = amb.problem("mnist-sngan/snn-new/out/3")
    assert new.id in expand("*/snn-new/out/3")
    candidates = new.space.sample_prior(2, np.random.default_rng(0))
    assert np.array_equal(new.evaluate(candidates), old.evaluate(candidates))
    assert new.fingerprint == old.fingerprint
    assert dict(new.facts()) == {**old.facts(), "problem": new.id}


@pytest.mark.parametrize("pair", ["cifar10-sngan/snn-cnn", "cifar10-vqvae/ann-vgg"])
def test_on_another_device_there_is_a_copy(pair: str) -> None:
    """`cpu:0` is another name, so generator and target are copied; the images take the way of an accelerator."""
    here, layer = family(pair), next(iter(family(pair).layers()))
    there = here.problem(layer, 3, device="cpu:0")
    problem = here.problem(layer, 3)
    assert there.group.split()[0] == f"{pair}@cpu:0"
    assert there.fingerprint == problem.fingerprint
    assert there.pair.target is not problem.pair.target
    assert (problem.pair.target.device, there.pair.target.device) == ("cpu", "cpu:0")
    candidates = problem.space.sample_prior(3, np.random.default_rng(0))
    assert np.array_equal(there.evaluate(candidates), problem.evaluate(candidates))
    assert amb.target(pair.split("/")[1], device="cpu:0").device == "cpu:0"


@pytest.mark.parametrize("name", ["snn-cnn", "ann-vgg", "cifar10-vqvae"])
@pytest.mark.parametrize(
    "images", [np.zeros((1, 28, 28, 3), np.uint8), np.zeros((1, 32, 32, 3)), np.zeros((32, 32, 3), np.uint8), [[0]]]
)
def test_wrong_images_are_refused_the_same_everywhere(name: str, images: object) -> None:
    """By shape and type: what came, and what was expected."""
    encoder = name in GENERATORS
    see = generators.described(name).encode if encoder else lambda shown: load(name).activations(shown, [("sn1", 0)])
    if name == "ann-vgg":
        see = lambda shown: load(name).all_activations(shown, [("classifier", 0)])  # noqa: E731
    with pytest.raises(SpecError, match=rf"{name} takes images uint8 \[n, 32, 32, 3\], not "):
        see(images)


def test_two_networks_of_one_name_do_not_share_batches() -> None:
    """Else a comparison of both would show one of them the other's responses."""
    one, other = (
        amb.target(nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU()), name="mine").problem("toy", 0, layer="1")
        for width in (4, 5)
    )
    assert one.id == other.id
    assert one.group != other.group
