"""Training of an SN-GAN: a seed fixes it, and a kill costs minutes, not the run."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from amb.contracts.recipe import TrainingProgress
from amb.errors import DataError, SpecError
from amb_problems import checkpoint
from amb_problems.cards import SNGANCard, SNGANShape
from amb_problems.data import image_sets
from amb_problems.generators.torch_generator import SNGANGenerator
from amb_problems.training import gan, sampling, session, state
from amb_problems.training.adversarial import GANRecipe, GANTraining
from amb_problems.training.discriminator import SpectralConv2d

pytestmark = pytest.mark.usefixtures("one_thread")


TINY = GANRecipe(
    dataset="cifar10",
    shape=SNGANShape(latent=6, bottom=2, widths=(8, 8, 8)),
    discriminator=(8, 8),
    flip=True,
    steps=6,
    batch=4,
)
LONG = replace(TINY, steps=100)
IMAGES = np.random.default_rng(0).integers(0, 256, (22, 8, 8, 3), np.uint8)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe and data that train in a moment, under the name `tiny`."""
    monkeypatch.setattr(gan, "RECIPES", {"tiny": TINY})
    dataset = SimpleNamespace(
        train_images=IMAGES, train_labels=np.zeros(len(IMAGES)), test_images=IMAGES, source="noise"
    )
    monkeypatch.setattr(image_sets, "load", lambda name, folder: dataset)


def train(out: Path, *, seed: int = 1, minutes: float | None = None, resume: bool = True) -> list[TrainingProgress]:
    seen: list[TrainingProgress] = []
    options = {"seed": seed, "minutes": minutes, "resume": resume}
    gan.train(name="tiny", data=out, out=out, device="cpu", progress=seen.append, **options)
    return seen


def steps(training: GANTraining, count: int) -> list[dict[str, float]]:
    return [{k: float(v) for k, v in training.advance().items()} for _ in range(count)]


def same(a: Mapping[str, torch.Tensor], b: Mapping[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_a_seed_gives_the_same_first_steps() -> None:
    """Two trainings of one seed agree in every metric of 20 steps, whatever torch's global seed."""
    runs = []
    for seed, noise in [(1, 10), (1, 20), (2, 10)]:
        torch.manual_seed(noise)
        runs.append(steps(GANTraining(LONG, IMAGES, seed=seed, device="cpu"), 20))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_the_global_random_state_is_left_alone() -> None:
    """A training does not change torch's generator."""
    torch.manual_seed(4)
    before = torch.random.get_rng_state()
    steps(GANTraining(TINY, IMAGES, seed=1, device="cpu"), 1)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_resumed_training_is_the_uninterrupted_one(tmp_path: Path) -> None:
    """Saved after four steps and continued by new objects: the same weights, bit for bit."""
    whole = GANTraining(LONG, IMAGES, seed=1, device="cpu")
    steps(whole, 9)
    first = GANTraining(LONG, IMAGES, seed=1, device="cpu")
    steps(first, 4)
    state.save_state(tmp_path / "state", first.tensors(), first.position())
    second = GANTraining(LONG, IMAGES, seed=1, device="cpu")
    tensors, facts = state.load_state(tmp_path / "state") or ({}, {})
    second.restore(tensors, facts)
    steps(second, 5)
    assert same(whole.tensors(), second.tensors())


@pytest.mark.usefixtures("tiny")
def test_a_training_ends_in_a_generator_that_loads(tmp_path: Path) -> None:
    """`train` leaves a verified checkpoint, a card with data, recipe and seed, and a sheet to look at."""
    seen = train(tmp_path)
    assert seen[-1].step == seen[-1].steps == 6
    card = checkpoint.read_card(tmp_path / "tiny", SNGANCard)
    assert card.data == "noise"
    assert card.seed == 1
    assert card.recipe["batch"] == 4
    assert card.finished
    assert (tmp_path / "tiny-000006.png").is_file()
    images = SNGANGenerator(tmp_path / "tiny").images(np.zeros((2, 6), np.float32))
    assert images.shape == (2, 8, 8, 3)


@pytest.mark.usefixtures("tiny")
def test_the_card_tells_the_distance_to_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a shipped judge, the card's metrics name its features; without one there are none."""
    train(tmp_path)
    assert checkpoint.read_card(tmp_path / "tiny").metrics == {}
    monkeypatch.setattr(gan, "RECIPES", {"tiny": replace(TINY, judge=("snn-cnn", "sn3"))})
    monkeypatch.setattr(gan, "firing_rates", lambda *names: (lambda images: images.mean((1, 2)), "/".join(names)))
    monkeypatch.setattr(gan.checkpoint, "shipped", lambda: ("snn-cnn",))
    train(tmp_path)
    prior, natural = checkpoint.read_card(tmp_path / "tiny").metrics.items()
    assert prior[0] == "Fréchet distance to 22 test images in snn-cnn/sn3: prior samples"
    assert prior[1] > natural[1] == pytest.approx(0, abs=1e-6)  # here both halves are the same


@pytest.mark.usefixtures("tiny")
def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    """Called again, it exports the same checkpoint; restarted without `resume`, it ends in the same bits."""
    train(tmp_path)
    first = checkpoint.fingerprint(tmp_path / "tiny")
    train(tmp_path)
    assert first == checkpoint.fingerprint(tmp_path / "tiny")
    train(tmp_path, resume=False)
    assert first == checkpoint.fingerprint(tmp_path / "tiny")


@pytest.mark.usefixtures("tiny")
def test_minutes_end_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of time, a training leaves an unfinished checkpoint; the next sessions end in the same bits as one alone."""
    train(tmp_path / "whole")
    monkeypatch.setattr(session.time, "monotonic", iter(range(10**6)).__next__)  # every reading is a second later
    first = train(tmp_path / "parts", minutes=0.05)[-1]
    assert 0 < first.step < first.steps
    assert not checkpoint.read_card(tmp_path / "parts" / "tiny", SNGANCard).finished
    while (last := train(tmp_path / "parts", minutes=0.05)[-1]).step < last.steps:
        assert last.step > first.step
    assert checkpoint.fingerprint(tmp_path / "whole" / "tiny") == checkpoint.fingerprint(tmp_path / "parts" / "tiny")


@pytest.mark.usefixtures("tiny")
def test_a_state_of_another_seed_is_refused(tmp_path: Path) -> None:
    """The error names both seeds."""
    train(tmp_path, seed=1)
    with pytest.raises(DataError, match="seed 1, not 2"):
        train(tmp_path, seed=2)


@pytest.mark.usefixtures("tiny")
def test_an_invalid_state_is_refused(tmp_path: Path) -> None:
    """A damaged or foreign file is named, never unpickled."""
    (tmp_path / "tiny.state.safetensors").write_bytes(b"not a state")
    with pytest.raises(DataError, match="is not a training state"):
        train(tmp_path)


def test_an_unknown_generator_is_refused(tmp_path: Path) -> None:
    """The nearest name is given."""
    with pytest.raises(SpecError, match="mnist-sngan"):
        gan.train(name="mnist-gan", data=tmp_path, out=tmp_path, seed=0, device="cpu", minutes=None, progress=print)


def test_an_epoch_visits_every_row_once() -> None:
    """Batches of an epoch are disjoint; the next epoch has another order."""
    first = torch.cat([sampling.batch_rows(20, 5, seed=3, index=i) for i in range(4)])
    second = torch.cat([sampling.batch_rows(20, 5, seed=3, index=i) for i in range(4, 8)])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(20))
    assert first.tolist() != second.tolist()


def test_streams_differ_by_purpose_and_index() -> None:
    """No two draws of a training share their numbers."""
    draws = [
        tuple(torch.randn(3, generator=sampling.stream(*key)).tolist())
        for key in [(0, "a", 0), (0, "a", 1), (0, "b", 0), (1, "a", 0)]
    ]
    assert len(set(draws)) == 4


def test_the_discriminators_weights_have_norm_one() -> None:
    """After some power iterations the largest singular value of a convolution's matrix is 1."""
    torch.manual_seed(0)
    layer = SpectralConv2d(5, 7, 3)
    for _ in range(200):
        layer.normalized()
    norm = torch.linalg.matrix_norm(layer.normalized().detach().flatten(1), ord=2)
    assert float(norm) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("name", list(gan.RECIPES))
def test_the_recipes_fit_their_data(name: str) -> None:
    """Generator and discriminator agree on the images' size, which is the data's."""
    recipe = gan.RECIPES[name]
    size, channels = {"cifar10": (32, 3), "mnist": (28, 1)}[recipe.dataset]
    images = np.zeros((recipe.batch, size, size, channels), np.uint8)
    training = GANTraining(recipe, images, seed=0, device="cpu")
    assert all(np.isfinite(value) for value in steps(training, 1)[0].values())
    assert recipe.shape.size == size
