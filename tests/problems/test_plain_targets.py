"""Plain networks in floating point: responses that depend on their own image alone, named as torchvision names them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from amb.errors import CheckpointError, SpecError
from amb_problems import checkpoint
from amb_problems.cards import PlainTargetCard
from amb_problems.data import image_sets as data
from amb_problems.tables.engine_speed import stimuli
from amb_problems.targets.normalize import normalize
from amb_problems.targets.plain.architectures import PLAIN_NETWORKS
from amb_problems.targets.plain.module import PROBABILITY
from amb_problems.targets.plain.responses import CHUNK, Responses
from amb_problems.targets.plain.target import PlainTarget
from amb_problems.training import plain
from amb_problems.training.plain_export import export

pytestmark = pytest.mark.usefixtures("one_thread")

RANDOM = np.random.default_rng(0)
IMAGES = data.Dataset(
    "cifar10",
    "noise",
    RANDOM.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8),
    RANDOM.integers(0, 10, 8),
    RANDOM.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8),
    RANDOM.integers(0, 10, 40),
    data.CLASSES["cifar10"],
)


@pytest.fixture(scope="module", params=[*plain.RECIPES])
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PlainTarget:
    """Every recipe's network, untrained, through the export."""
    recipe = plain.RECIPES[request.param]
    path = tmp_path_factory.mktemp("plain") / request.param
    export(plain.new_network(recipe, seed=1), recipe.network, recipe.arguments, IMAGES, path, {})
    return PlainTarget(path)


def probes(target: PlainTarget, n: int) -> list[tuple[str, int]]:
    """Units of every layer in turn."""
    rng, names = np.random.default_rng(1), list(target.layers)
    layers = [names[i % len(names)] for i in range(n)]
    return [(layer, int(rng.integers(0, target.layers[layer]))) for layer in layers]


def test_a_value_depends_on_its_own_image_alone(target: PlainTarget) -> None:
    """Alone, in any batch, at any position, on any number of threads: the same activation, bit for bit."""
    images, units = IMAGES.test_images, probes(target, 40)
    expected = target.activations(images, units)
    shuffled = np.random.default_rng(2).permutation(40)
    assert np.array_equal(expected[shuffled], target.activations(images[shuffled], [units[i] for i in shuffled]))
    for i in range(0, 40, 9):
        assert expected[i] == target.activations(images[i : i + 1], units[i : i + 1])[0]
    try:
        torch.set_num_threads(3)
        assert np.array_equal(expected, target.activations(images, units))
    finally:
        torch.set_num_threads(1)


def test_zero_is_the_mean_and_one_the_highest_over_natural_images(target: PlainTarget) -> None:
    images, layer = IMAGES.test_images, target.output
    assert layer is not None
    for unit in (0, 9):
        values = target.activations(images, [(layer, unit)] * len(images))
        assert values.max() == pytest.approx(1, abs=1e-6)
        assert values.mean() == pytest.approx(0, abs=1e-4)


def test_probabilities_are_the_softmax_of_the_class_output(target: PlainTarget) -> None:
    images = IMAGES.test_images[:10]
    found = np.stack([target.activations(images, [(PROBABILITY, unit)] * 10) for unit in range(10)], 1)
    np.testing.assert_allclose(found.sum(1), 1)
    expected = torch.from_numpy(target.class_scores(images)).softmax(1).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_every_convolution_and_rectifier_can_be_probed(target: PlainTarget) -> None:
    """By the name of the module; what a layer answers is the mean of what the module gives."""
    network = target.responses.module
    kinds = (nn.Conv2d, nn.ReLU, nn.Linear)
    modules = [name for name, module in network.named_modules() if isinstance(module, kinds)]
    # A block's shortcut runs after the block's own convolutions: the order is that of the images.
    assert sorted([*modules, PROBABILITY]) == sorted(target.layers)
    seen: list[torch.Tensor] = []
    layer = modules[1]
    hook = network.get_submodule(layer).register_forward_hook(lambda m, i, output: seen.append(output.clone()))
    with torch.no_grad():
        network(normalize(torch.from_numpy(IMAGES.test_images[:CHUNK])))
    hook.remove()
    means = target.responses.means(IMAGES.test_images[:CHUNK], [layer])[layer]
    np.testing.assert_allclose(means, seen[0].mean((2, 3)).numpy(), rtol=1e-5, atol=1e-6)


def test_wrong_questions_are_answered_clearly(target: PlainTarget) -> None:
    images = IMAGES.test_images[:1]
    with pytest.raises(SpecError, match="prob"):
        target.activations(images, [("prop", 0)])
    with pytest.raises(SpecError, match=r"units are 0\.\.9"):
        target.activations(images, [(str(target.output), 10)])
    with pytest.raises(SpecError, match=r"\[n, 32, 32, 3\]"):
        target.activations(images[:, :28], [(str(target.output), 1)])


def test_a_checkpoint_of_another_kind_is_refused() -> None:
    with pytest.raises(CheckpointError, match="'spiking target', expected 'plain target'"):
        PlainTarget("snn-cnn")


def test_a_card_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """Units that the network lacks, and an output that is no layer of it."""
    recipe, path = plain.RECIPES["ann-alexnet"], tmp_path / "net"
    export(plain.new_network(recipe, seed=1), recipe.network, recipe.arguments, IMAGES, path, {})
    card = checkpoint.read_card(path, PlainTargetCard)
    layer = next(iter(card.layers))
    units, height, width = card.layers[layer]
    for change in ({"layers": {**card.layers, layer: (units + 1, height, width)}}, {"output": "no such layer"}):
        checkpoint.amend(path, **{"layers": card.layers, "output": card.output} | change)
        with pytest.raises(CheckpointError, match="does not fit its card"):
            PlainTarget(path).on("cpu")


def test_nothing_deeper_than_the_layer_is_computed() -> None:
    """A network whose second half fails answers for its first half."""

    class Half(nn.Sequential):
        armed = False

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self[0](x)
            if Half.armed:
                raise AssertionError("deeper than asked for")
            return self[1](x)

    responses = Responses.of_shipped(Half(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)), prepare=normalize)
    Half.armed = True
    assert responses.means(IMAGES.test_images, ["0"])["0"].shape == (40, 8)
    with pytest.raises(AssertionError):
        responses.means(IMAGES.test_images, ["1"])


def test_a_module_called_twice_has_two_layers() -> None:
    """As torchvision's feature extraction names them; a rectifier that works in place spoils no layer before it."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.relu(self.relu(self.conv(x)) - 1)

    responses = Responses.of_shipped(Twice(), prepare=normalize)
    assert responses.layers == {"conv": 8, "relu": 8, "relu_1": 8}
    means = responses.means(IMAGES.test_images, ["relu_1", "conv", "relu"])
    assert (means["conv"] < 0).any()
    assert (means["relu"] >= means["relu_1"]).all()
    assert not np.array_equal(means["relu"], means["relu_1"])


def run_train(monkeypatch: pytest.MonkeyPatch, out: Path, minutes: float | None, seed: int = 1) -> list[float]:
    """A tiny training of colours; returns the losses that it reported."""
    monkeypatch.setattr(plain, "RECIPES", {"tiny": TINY})
    monkeypatch.setattr(data, "load", lambda name, folder: coloured(64))
    seen: list[float] = []
    plain.train(
        name="tiny", data=out, out=out, seed=seed, device="cpu", minutes=minutes,
        progress=lambda progress: seen.append(progress.metrics["loss"]),
    )  # fmt: skip
    return seen


TINY = plain.PlainRecipe(
    "cifar10",
    "VGG",
    {"widths": ((8,), (8,), (8,), (16,)), "classes": 3},
    plain.ClassifierRecipe((plain.Phase(0, 12, 0.05, crop=24), plain.Phase(0, 6, 0.02)), plain.class_loss, batch=16),
)


def coloured(n: int) -> data.Dataset:
    rng = np.random.default_rng(0)
    labels = np.arange(2 * n) % 3
    images = rng.integers(0, 120, (2 * n, 32, 32, 3))
    images[np.arange(2 * n), :, :, labels] += 120
    return data.Dataset(
        "cifar10", "coloured noise", images[:n].astype(np.uint8), labels[:n], images[n:].astype(np.uint8), labels[n:],
        ("red", "green", "blue"),
    )  # fmt: skip


def test_training_learns_is_reproducible_and_survives_a_kill(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two trainings of a seed, one of them in two sittings, end with the same weights; the card says how well."""
    first = run_train(monkeypatch, tmp_path / "whole", None)
    run_train(monkeypatch, tmp_path / "parts", 0.0)
    assert run_train(monkeypatch, tmp_path / "parts", None) == first
    whole, card = checkpoint.load(tmp_path / "whole" / "tiny", PlainTargetCard)
    parts, _ = checkpoint.load(tmp_path / "parts" / "tiny")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert card.metrics["test accuracy"] > 0.8
    assert card.training["steps"] == card.training["steps planned"] == 18 * 4
    assert run_train(monkeypatch, tmp_path / "other", None, seed=2) != first


def test_networks_are_those_of_the_recipes() -> None:
    assert {recipe.network for recipe in plain.RECIPES.values()} == set(PLAIN_NETWORKS)


@pytest.mark.parametrize("name", [name for name in plain.RECIPES if name in checkpoint.shipped()])
def test_shipped_networks_are_as_accurate_as_issued(name: str) -> None:
    """Eighty of a hundred test images, measured on the weights that are shipped."""
    card = checkpoint.read_card(name, PlainTargetCard)
    assert card.metrics["test images"] == 10_000
    assert card.metrics["test accuracy"] >= 0.8
    assert PlainTarget(name).layers == card.units


@pytest.mark.parametrize("name", [name for name in plain.RECIPES if name in checkpoint.shipped()])
def test_a_shipped_networks_value_does_not_depend_on_its_place(name: str) -> None:
    """Of trained weights, on images at odd and even places of a batch: kernels round odd rows otherwise."""
    target, images = PlainTarget(name), stimuli(12)
    units = [("prob", 3)] * len(images)
    together = target.activations(images, units)
    assert np.array_equal(together[::-1], target.activations(images[::-1], units))
    assert np.array_equal(together, [target.activations(images[i : i + 1], units[:1])[0] for i in range(len(images))])
