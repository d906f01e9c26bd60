"""Training of a VQ-VAE: a seed fixes it, a kill costs minutes, and codes are used."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from amb.contracts.recipe import TrainingProgress
from amb.errors import DataError, SpecError
from amb_problems import checkpoint
from amb_problems.cards import VQVAECard, VQVAEShape
from amb_problems.data import image_sets
from amb_problems.generators.vqvae_generator import VQVAEGenerator
from amb_problems.training import session, vqvae
from amb_problems.training.autoencoder import VQVAERecipe, VQVAETraining

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE = VQVAEShape(size=8, codes=12, dimensions=5, width=16, residual=4, blocks=1)
TINY = VQVAERecipe(dataset="cifar10", shape=SHAPE, flip=True, steps=80, batch=32, rate=1e-2, averaging=0.95)
# Four flat squares of grey an image: a code for each.
GREYS = np.random.default_rng(0).integers(0, 256, (32, 2, 1, 2, 1, 1))
IMAGES = np.broadcast_to(GREYS, (32, 2, 4, 2, 4, 3)).reshape(32, 8, 8, 3).astype(np.uint8)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe and data that train in a moment, under the name `tiny`."""
    monkeypatch.setattr(vqvae, "RECIPES", {"tiny": TINY})
    dataset = SimpleNamespace(
        train_images=IMAGES, train_labels=np.zeros(len(IMAGES)), test_images=IMAGES, source="greys"
    )
    monkeypatch.setattr(image_sets, "load", lambda name, folder: dataset)


def train(out: Path, *, seed: int = 1, minutes: float | None = None) -> list[TrainingProgress]:
    seen: list[TrainingProgress] = []
    vqvae.train(name="tiny", data=out, out=out, seed=seed, device="cpu", minutes=minutes, progress=seen.append)
    return seen


def test_a_seed_gives_the_same_first_steps() -> None:
    """Two trainings of one seed agree in every metric of 50 steps, whatever torch's global seed."""
    runs = []
    for seed, noise in [(1, 10), (1, 20), (2, 10)]:
        torch.manual_seed(noise)
        before = torch.random.get_rng_state()
        training = VQVAETraining(replace(TINY, batch=2), IMAGES, seed=seed, device="cpu")
        runs.append([{k: float(v) for k, v in training.advance().items()} for _ in range(50)])
        assert torch.equal(before, torch.random.get_rng_state())
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


@pytest.mark.usefixtures("tiny")
def test_a_training_makes_a_generator_that_knows_its_images(tmp_path: Path) -> None:
    """The card states the reconstruction error, which is far below that of a mean image, as it is measured."""
    seen = train(tmp_path)
    assert seen[-1].step == seen[-1].steps == 80
    card = checkpoint.read_card(tmp_path / "tiny", VQVAECard)
    assert (card.data, card.seed, card.finished) == ("greys", 1, True)
    assert card.recipe["batch"] == 32
    assert (tmp_path / "tiny-000080.png").is_file()
    generator = VQVAEGenerator(tmp_path / "tiny")
    error, used = card.metrics.values()
    assert error == round(vqvae.reconstruction_error(IMAGES, generator.images(generator.encode(IMAGES))), 4)
    assert error < 0.3
    assert used > 6


@pytest.mark.usefixtures("tiny")
def test_a_resumed_training_is_the_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several sessions it ends in the same bits as in one."""
    train(tmp_path / "whole")
    monkeypatch.setattr(session.time, "monotonic", iter(range(10**6)).__next__)  # every reading is a second later
    first = train(tmp_path / "parts", minutes=1)[-1]
    assert 0 < first.step < first.steps
    assert not checkpoint.read_card(tmp_path / "parts" / "tiny", VQVAECard).finished
    while (last := train(tmp_path / "parts", minutes=1)[-1]).step < last.steps:
        pass
    assert checkpoint.fingerprint(tmp_path / "whole" / "tiny") == checkpoint.fingerprint(tmp_path / "parts" / "tiny")


@pytest.mark.usefixtures("tiny")
def test_another_seed_or_name_is_refused(tmp_path: Path) -> None:
    train(tmp_path, seed=1)
    with pytest.raises(DataError, match="seed 1, not 2"):
        train(tmp_path, seed=2)
    with pytest.raises(SpecError, match="tiny"):
        vqvae.train(name="tini", data=tmp_path, out=tmp_path, seed=0, device="cpu", minutes=None, progress=print)


def test_idle_codes_are_revived() -> None:
    """A codebook in which one code takes all vectors is in use again a few steps later."""
    training = VQVAETraining(TINY, IMAGES, seed=1, device="cpu")
    training.advance()
    training.uses.fill_(1e-6)
    training.uses[0] = 100.0
    used = [int(training.advance()["codes_used"]) for _ in range(3)]
    assert used[-1] >= 10


def test_the_error_is_a_share_of_the_variance() -> None:
    """0 for the images themselves, 1 for their mean."""
    mean = np.full_like(IMAGES, np.rint(IMAGES.mean()))
    assert vqvae.reconstruction_error(IMAGES, IMAGES) == 0
    assert vqvae.reconstruction_error(IMAGES, mean) == pytest.approx(1, abs=1e-3)


def test_the_recipe_makes_64_codes_of_512() -> None:
    shape = vqvae.RECIPES["cifar10-vqvae"].shape
    assert (shape.positions, shape.codes, shape.dimensions) == (64, 512, 64)
