from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from amb.contracts.recipe import TrainingProgress
from amb.errors import DataError, SpecError
from amb_problems import checkpoint
from amb_problems.cards import SpikingTargetCard
from amb_problems.data import image_sets as data
from amb_problems.targets.spiking.exact_network import ExactNetwork
from amb_problems.targets.spiking.lif import LIF, LIFNeuron
from amb_problems.training import plain, spiking, spiking_recipes
from amb_problems.training.classifier import (
    ClassifierRecipe,
    ClassifierTraining,
    Phase,
    augment,
    learning_rate,
    normalize,
    reestimate,
)
from amb_problems.training.spiking_export import SpikingModel

pytestmark = pytest.mark.usefixtures("one_thread")


# Not narrower: oneDNN's backward convolutions in float32 write past their buffers at 4 channels (torch 2.13, AVX2).
ARGUMENTS = {"SpikingCNN": {"widths": (8, 8), "hidden": 8, "classes": 3}, "SpikingResNet18": {"width": 8, "classes": 3}}
LOSSES = {"SpikingCNN": spiking_recipes.rate_loss, "SpikingResNet18": spiking_recipes.readout_loss}


def coloured(n: int, seed: int = 0) -> data.Dataset:
    """Noisy red, green and blue images: three classes that a tiny network can tell apart."""
    rng = np.random.default_rng(seed)
    labels = np.arange(2 * n) % 3
    images = rng.integers(0, 120, (2 * n, 32, 32, 3))
    images[np.arange(2 * n), :, :, labels] += 120
    images = images.astype(np.uint8)
    return data.Dataset(
        "cifar10", "coloured noise", images[:n], labels[:n], images[n:], labels[n:], ("red", "green", "blue")
    )


def recipe(network: str, *phases: Phase) -> spiking_recipes.SpikingRecipe:
    model = SpikingModel(network, ARGUMENTS[network], LIF(strict=network == "SpikingCNN"), 8, "a readout")
    phases = phases or (Phase(0, 1, 0.02), Phase(2, 1, 0.02))
    return spiking_recipes.SpikingRecipe("cifar10", model, ClassifierRecipe(phases, LOSSES[network], batch=8))


def training(network: str, seed: int = 1) -> ClassifierTraining:
    images, tiny = coloured(32), recipe(network)
    return ClassifierTraining(
        spiking.new_network(tiny.model, seed=seed),
        tiny.classifier,
        torch.from_numpy(images.train_images),
        torch.from_numpy(images.train_labels),
        seed=seed,
    )


def weights(run: ClassifierTraining) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in run.tensors().values()]


def losses(run: ClassifierTraining, steps: int | None = None) -> list[float]:
    """Losses of the next steps; None: of all that remain."""
    return [float(run.advance()["loss"]) for _ in range(run.steps - run.done if steps is None else steps)]


@pytest.mark.parametrize("network", ARGUMENTS)
def test_a_seed_fixes_the_steps(network: str) -> None:
    """Two trainings of one seed take the same steps; another seed others; the global generator stays as it was."""
    before = torch.get_rng_state()
    first, same, other = (losses(training(network, seed)) for seed in (1, 1, 2))
    assert first == same
    assert first != other
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("network", ARGUMENTS)
@pytest.mark.parametrize("killed_after", [2, 4, 6])
def test_a_resumed_training_is_the_uninterrupted_one(network: str, killed_after: int) -> None:
    """Killed within either phase or between them, it ends with the same weights, statistics and momentum."""
    whole = training(network)
    losses(whole)
    first = training(network)
    losses(first, killed_after)
    second = training(network, seed=1)
    second.restore({name: tensor.clone() for name, tensor in first.tensors().items()}, first.position())
    losses(second)
    assert second.done == whole.done == whole.steps == 8
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(second), strict=True))


def test_dropout_follows_from_the_seed_and_the_step() -> None:
    """It drew from torch's global generator: no two trainings of AlexNet were alike, nor was a resumed one."""

    def dropping() -> ClassifierTraining:
        images = coloured(32)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(3072, 3))
        pixels, labels = torch.from_numpy(images.train_images), torch.from_numpy(images.train_labels)
        tiny = ClassifierRecipe((Phase(0, 2, 0.02),), plain.class_loss, batch=8)
        return ClassifierTraining(network, tiny, pixels, labels, seed=1)

    before = torch.get_rng_state()
    whole = dropping()
    expected = losses(whole)
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(7)  # another program's
    first = dropping()
    begun = losses(first, 3)
    second = dropping()
    second.restore({name: tensor.clone() for name, tensor in first.tensors().items()}, first.position())
    assert [*begun, *losses(second)] == expected
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(second), strict=True))


def run_train(
    monkeypatch: pytest.MonkeyPatch, out: Path, tiny: spiking_recipes.SpikingRecipe, **options: object
) -> list[TrainingProgress]:
    monkeypatch.setattr(spiking, "RECIPES", {"tiny": tiny})
    monkeypatch.setattr(data, "load", lambda name, folder: coloured(96))
    seen: list[TrainingProgress] = []
    given = {"name": "tiny", "data": out, "out": out, "seed": 1, "device": "cpu", "minutes": None, "resume": True}
    spiking.train(**(given | options), progress=seen.append)
    return seen


def test_train_writes_an_exact_target_that_has_learned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """After training on colours the exported integers tell them apart, and the card states how well."""
    seen = run_train(monkeypatch, tmp_path, recipe("SpikingCNN", Phase(0, 6, 0.03), Phase(4, 4, 0.03)))
    target, images = ExactNetwork.load(tmp_path / "tiny"), coloured(96)
    accuracy = float((target.class_scores(images.test_images).argmax(1) == images.test_labels).mean())
    card = checkpoint.read_card(tmp_path / "tiny", SpikingTargetCard)
    assert accuracy > 0.8
    assert card.metrics == {"test accuracy": accuracy, "test images": 96}
    assert card.training["steps"] == card.training["steps planned"] == seen[-1].step == seen[-1].steps == 120
    assert card.training["seed"] == 1


def test_train_stops_in_time_and_continues(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With no minutes to spend every session takes one step; a longer recipe continues where the shorter ended."""
    tiny = recipe("SpikingCNN", Phase(2, 1, 0.02))
    for expected in (1, 2):
        run_train(monkeypatch, tmp_path, tiny, minutes=0.0)
        assert checkpoint.read_card(tmp_path / "tiny", SpikingTargetCard).training["steps"] == expected
    run_train(monkeypatch, tmp_path, tiny)
    longer = replace(tiny, classifier=replace(tiny.classifier, phases=(*tiny.classifier.phases, Phase(2, 1, 0.01))))
    seen = run_train(monkeypatch, tmp_path, longer)
    assert [step.step for step in seen] == [20, 24]
    assert checkpoint.read_card(tmp_path / "tiny", SpikingTargetCard).training["steps"] == 24


def test_a_state_of_another_seed_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tiny = recipe("SpikingCNN", Phase(2, 1, 0.02))
    run_train(monkeypatch, tmp_path, tiny, minutes=0.0)
    with pytest.raises(DataError, match="seed 1, not 2"):
        run_train(monkeypatch, tmp_path, tiny, seed=2)


def test_an_unknown_target_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="snn-cnn"):
        spiking.train(
            name="snn-cn",
            data=tmp_path,
            out=tmp_path,
            seed=0,
            device="cpu",
            minutes=None,
            progress=lambda progress: None,
        )


def test_statistics_are_those_of_the_frames_in_use() -> None:
    """After re-estimation a batch norm's mean is the mean of its inputs over all frames of all images."""
    tiny = recipe("SpikingCNN")
    network = spiking.new_network(tiny.model, seed=0)
    images = torch.from_numpy(coloured(20).train_images)
    reestimate(network, images, 5, batch=10)
    network.eval()
    seen: list[torch.Tensor] = []
    hook = network.get_submodule("fc1").register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        network.train()  # the estimate is made with each batch's own statistics in the layers before
        for chunk in images.split(10):
            network(normalize(chunk))
    hook.remove()
    expected = torch.stack([output.mean(0) for output in seen]).mean(0)
    assert seen[0].shape == (50, 8)
    again = spiking.new_network(tiny.model, seed=0)
    reestimate(again, images, 5, batch=10)
    torch.testing.assert_close(again.get_submodule("bn3").running_mean, expected)


def test_images_are_shifted_and_mirrored_but_never_changed() -> None:
    """Each result is the padded image at some offset, mirrored or not; without either it is the image itself."""
    x = normalize(torch.from_numpy(coloured(4).train_images))
    still = augment(x, torch.Generator().manual_seed(0), shift=0, mirror=False)
    assert torch.equal(still, x)
    moved = augment(x, torch.Generator().manual_seed(0), shift=2, mirror=True)
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2))
    for i in range(4):
        places = [padded[i, :, a : a + 32, b : b + 32] for a in range(5) for b in range(5)]
        assert any(torch.equal(moved[i], place) or torch.equal(moved[i], place.flip(2)) for place in places)


def test_the_learning_rate_rises_then_falls_to_zero() -> None:
    phase = Phase(0, 1, 0.3)
    rates = [learning_rate(phase, 0.2, done) for done in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(0.3)
    assert int(np.argmax(rates)) == 20
    assert 0 < rates[0] < 0.01
    assert rates[-1] == pytest.approx(0.0)


def test_the_rate_relaxation_is_the_recipes() -> None:
    """The convolutional network's clips rates at 1, as it was trained; the ResNet's is the plain rectifier."""
    current = torch.tensor([-1.0, 0.5, 3.0])
    expected = {"snn-cnn": [0.0, 0.5, 1.0], "snn-resnet18": [0.0, 0.5, 3.0]}
    for name, rates in expected.items():
        tiny = spiking_recipes.RECIPES[name]
        model = replace(tiny.model, arguments=ARGUMENTS[tiny.model.network])
        network = spiking.new_network(model, seed=0, relaxation=tiny.relaxation)
        assert network.get_submodule("sn1")(current).tolist() == rates


def test_bfloat16_is_used_only_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Emulated, it is far slower than float32; the card states what was used."""
    for available, precision in ((False, "float32"), (True, "bfloat16 autocast, float32 weights")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda available=available: available)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        assert training("SpikingCNN").provenance()["precision"] == precision


def test_training_networks_have_the_neurons_of_the_card() -> None:
    """The network that is trained fires by the rule that the card of its target states."""
    tiny = recipe("SpikingCNN")
    network = spiking.new_network(tiny.model, seed=0)
    assert network.get_submodule("sn1").strict is True
    assert LIFNeuron(tiny.model.lif).lif.strict is True
